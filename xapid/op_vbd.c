/* What may be done to a VBD when. */
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/vm/spec.h"

#define OP(name) OP_BIT(VBD_OPERATIONS_##name)

static const char *const messages[VBD_OPERATIONS_COUNT] = {
    [VBD_OPERATIONS_ATTACH] = "VM.start",   [VBD_OPERATIONS_EJECT] = "VBD.eject",
    [VBD_OPERATIONS_INSERT] = "VBD.insert", [VBD_OPERATIONS_PLUG] = "VBD.plug",
    [VBD_OPERATIONS_UNPLUG] = "VBD.unplug", [VBD_OPERATIONS_UNPLUG_FORCE] = "VBD.unplug_force",
};

static const uint64_t attaching = OP(ATTACH) | OP(INSERT) | OP(PLUG);
static const uint64_t hotplug = OP(PLUG) | OP(UNPLUG) | OP(UNPLUG_FORCE);
static const uint64_t detaching = OP(UNPLUG) | OP(UNPLUG_FORCE);

/* Operations of a VM during which its drives stay as they are. */
static const uint64_t vm_is_changing =
    OP_BIT(VM_OPERATIONS_CLEAN_SHUTDOWN) | OP_BIT(VM_OPERATIONS_HARD_SHUTDOWN) |
    OP_BIT(VM_OPERATIONS_SUSPEND) | OP_BIT(VM_OPERATIONS_PAUSE) | OP_BIT(VM_OPERATIONS_CLEAN_REBOOT) |
    OP_BIT(VM_OPERATIONS_HARD_REBOOT) | OP_BIT(VM_OPERATIONS_POOL_MIGRATE) |
    OP_BIT(VM_OPERATIONS_MIGRATE_SEND);

/* CD drives: insert and eject, and the medium that must or must not be there. */
static int check_medium(const struct vbd *vbd, uint64_t bit, struct err *e)
{
    if (!(bit & (OP(INSERT) | OP(EJECT))))
        return 0;
    if (vbd->type != VBD_TYPE_CD)
        return e ? err_vbd_not_removable_media(e, REF_TEXT(vbd->row.ref)) : -1;
    if ((bit & OP(EJECT)) && vbd->empty)
        return e ? err_vbd_is_empty(e, REF_TEXT(vbd->row.ref)) : -1;
    if ((bit & OP(INSERT)) && !vbd->empty)
        return e ? err_vbd_not_empty(e, REF_TEXT(vbd->row.ref)) : -1;
    return 0;
}

static int check_plugged(const struct vbd *vbd, uint64_t bit, struct err *e)
{
    if ((bit & (OP(ATTACH) | OP(PLUG))) && vbd->currently_attached)
        return e ? err_device_already_attached(e, REF_TEXT(vbd->row.ref)) : -1;
    if ((bit & detaching) && !vbd->currently_attached)
        return e ? err_device_already_detached(e, REF_TEXT(vbd->row.ref)) : -1;
    return 0;
}

static int check_hotplug(const struct vbd *vbd, const struct vm *vm, uint64_t bit, struct err *e)
{
    static const char *const states[] = {"halted", "paused", "running", "suspended"};

    if (!(bit & hotplug))
        return 0;
    if (vm->power_state != VM_POWER_STATE_RUNNING)
        return e ? err_vm_bad_power_state(e, REF_TEXT(vm->row.ref), "running", states[vm->power_state]) : -1;
    if (vbd->type == VBD_TYPE_CD)
        return e ? err_operation_not_allowed(
                       e, "A CD drive cannot be plugged or unplugged; insert or eject instead")
                 : -1;
    if (vm_disks_are_ide(vm))
        return e ? err_operation_not_allowed(e,
                                             "IDE disks (platform:disk_bus) cannot be plugged or unplugged")
                 : -1;
    return 0;
}

/* Another drive that excludes this one from the disk, because it has it or is about to; NULL when there is
 * none. */
static const struct vbd *find_rival(struct db *db, const struct vbd *vbd, const struct vdi *vdi)
{
    if (vdi->sharable)
        return NULL;
    FOREACH_REFERRER (db, vbd, other, VBD, VDI, vdi->row.ref)
        if (other != vbd &&
            (other->currently_attached || op_current_has(other->current_operations, attaching)) &&
            (other->mode == VBD_MODE_RW || vbd->mode == VBD_MODE_RW))
            return other;
    return NULL;
}

static int check_disk(struct db *db, const struct vbd *vbd, int operation, struct err *e)
{
    const struct vdi *vdi = db_vdi(db, vbd->VDI);

    if (!(OP_BIT(operation) & attaching) || !vdi)
        return 0;
    if (!vdi->managed)
        return e ? err_vdi_not_managed(e, REF_TEXT(vdi->row.ref)) : -1;
    if (vdi->missing)
        return e ? err_vdi_missing(e, REF_TEXT(vdi->SR), REF_TEXT(vdi->row.ref)) : -1;
    if (map_count(vdi->current_operations) > 0)
        return op_refuse_busy(&vdi->row, vdi->current_operations, e);
    const struct vbd *rival = find_rival(db, vbd, vdi);
    if (rival && !rival->currently_attached)
        return op_refuse_busy(&rival->row, rival->current_operations, e);
    if (rival)
        return e ? err_vdi_in_use(e, REF_TEXT(vdi->row.ref), model_enum_vbd_operations.values[operation])
                 : -1;
    return 0;
}

static int check(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)row;
    const struct vm *vm = db_vm(db, vbd->VM);

    if (map_count(vbd->current_operations) > 0)
        return op_refuse_busy(row, vbd->current_operations, e);
    if (!vm)
        return 0;
    if ((OP_BIT(operation) & detaching) && !vbd->unpluggable)
        return e ? err_vbd_not_unpluggable(e, REF_TEXT(row->ref)) : -1;
    if (check_medium(vbd, OP_BIT(operation), e) < 0 || check_hotplug(vbd, vm, OP_BIT(operation), e) < 0 ||
        check_plugged(vbd, OP_BIT(operation), e) < 0)
        return -1;
    if (operation != VBD_OPERATIONS_ATTACH && op_current_has(vm->current_operations, vm_is_changing))
        return e ? err_operation_not_allowed(e, "The VM is changing its power state or its host") : -1;
    return check_disk(db, vbd, operation, e);
}

static void dependents(struct db *db, const struct row *row,
                       void (*add)(enum model_class_id cls, struct ref ref, void *arg), void *arg)
{
    const struct vbd *vbd = (const struct vbd *)row;

    add(CLASS_VM, vbd->VM, arg);
    if (ref_is_null(vbd->VDI))
        return;
    add(CLASS_VDI, vbd->VDI, arg);
    FOREACH_REFERRER (db, vbd, other, VBD, VDI, vbd->VDI)
        add(CLASS_VBD, other->row.ref, arg);
}

const struct op_rules vbd_op_rules = {
    .check = check, .messages = messages, .n_messages = VBD_OPERATIONS_COUNT, .dependents = dependents};
