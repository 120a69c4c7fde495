/* What may be done to a VDI when. */
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"

#define OP(name) OP_BIT(VDI_OPERATIONS_##name)

static const char *const messages[VDI_OPERATIONS_COUNT] = {
    [VDI_OPERATIONS_CLONE] = "VDI.clone",
    [VDI_OPERATIONS_COPY] = "VDI.copy",
    [VDI_OPERATIONS_RESIZE] = "VDI.resize",
    [VDI_OPERATIONS_RESIZE_ONLINE] = "VDI.resize_online",
    [VDI_OPERATIONS_SNAPSHOT] = "VDI.snapshot",
    [VDI_OPERATIONS_MIRROR] = "VDI.pool_migrate",
    [VDI_OPERATIONS_DESTROY] = "VDI.destroy",
    [VDI_OPERATIONS_FORGET] = "VDI.forget",
    [VDI_OPERATIONS_UPDATE] = "VDI.update",
    [VDI_OPERATIONS_GENERATE_CONFIG] = "VDI.generate_config",
    [VDI_OPERATIONS_ENABLE_CBT] = "VDI.enable_cbt",
    [VDI_OPERATIONS_DISABLE_CBT] = "VDI.disable_cbt",
    [VDI_OPERATIONS_DATA_DESTROY] = "VDI.data_destroy",
    [VDI_OPERATIONS_LIST_CHANGED_BLOCKS] = "VDI.list_changed_blocks",
    [VDI_OPERATIONS_SET_ON_BOOT] = "VDI.set_on_boot",
    [VDI_OPERATIONS_REVERT_TO] = "VDI.revert",
    [VDI_OPERATIONS_REVERT_FROM] = "VDI.revert",
};

/* What the SR's driver must be able to do for each operation; NULL: nothing. */
static const char *const capabilities[VDI_OPERATIONS_COUNT] = {
    [VDI_OPERATIONS_CLONE] = "VDI_CLONE",
    [VDI_OPERATIONS_RESIZE] = "VDI_RESIZE",
    [VDI_OPERATIONS_RESIZE_ONLINE] = "VDI_RESIZE_ONLINE",
    [VDI_OPERATIONS_SNAPSHOT] = "VDI_SNAPSHOT",
    [VDI_OPERATIONS_MIRROR] = "VDI_MIRROR",
    [VDI_OPERATIONS_DESTROY] = "VDI_DELETE",
    [VDI_OPERATIONS_UPDATE] = "VDI_UPDATE",
    [VDI_OPERATIONS_GENERATE_CONFIG] = "VDI_GENERATE_CONFIG",
    [VDI_OPERATIONS_ENABLE_CBT] = "VDI_CONFIG_CBT",
    [VDI_OPERATIONS_DISABLE_CBT] = "VDI_CONFIG_CBT",
    [VDI_OPERATIONS_DATA_DESTROY] = "VDI_CONFIG_CBT",
    [VDI_OPERATIONS_LIST_CHANGED_BLOCKS] = "VDI_CONFIG_CBT",
    [VDI_OPERATIONS_SET_ON_BOOT] = "VDI_RESET_ON_BOOT",
    [VDI_OPERATIONS_REVERT_TO] = "VDI_CLONE",
    [VDI_OPERATIONS_REVERT_FROM] = "VDI_CLONE",
};

/* Fine while a drive holds the disk in any way. */
static const uint64_t allowed_attached =
    OP(RESIZE_ONLINE) | OP(ENABLE_CBT) | OP(DISABLE_CBT) | OP(DATA_DESTROY) | OP(LIST_CHANGED_BLOCKS);
/* Fine while a guest writes to it: the guest follows (xapid/vm/live_disks.h, xapid/storage/vdi_migrate.c).
 * Not while a drive is being attached.
 */
static const uint64_t allowed_live = OP(SNAPSHOT) | OP(MIRROR);
/* Fine while drives only read it. */
static const uint64_t allowed_attached_ro = OP(COPY) | OP(CLONE) | OP(SNAPSHOT);
/* Fine while the VM that has it is suspended. */
static const uint64_t allowed_suspended = OP(CLONE);
/* Fine without an SR that can be reached. */
static const uint64_t allowed_unreachable = OP(FORGET) | OP(SET_ON_BOOT);

static bool is_suspended(struct db *db, struct ref ref)
{
    const struct vm *vm = db_vm(db, ref);
    return vm && vm->power_state == VM_POWER_STATE_SUSPENDED;
}

static int check_drives(struct db *db, const struct vdi *vdi, int operation, struct err *e)
{
    uint64_t bit = OP_BIT(operation);

    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, vdi->row.ref) {
        bool in_use = vbd->currently_attached && !(bit & (allowed_attached | allowed_live)) &&
                      !((bit & allowed_attached_ro) && vbd->mode == VBD_MODE_RO) &&
                      !((bit & allowed_suspended) && is_suspended(db, vbd->VM));
        if (in_use)
            return e ? err_vdi_in_use(e, REF_TEXT(vdi->row.ref), model_enum_vdi_operations.values[operation])
                     : -1;
        if (map_count(vbd->current_operations) > 0 && !(bit & allowed_attached) &&
            !((bit & allowed_attached_ro) && vbd->mode == VBD_MODE_RO))
            return op_refuse_busy(&vbd->row, vbd->current_operations, e);
    }
    return 0;
}

static int check_sr(struct db *db, const struct vdi *vdi, int operation, struct err *e)
{
    const struct sr *sr = db_sr(db, vdi->SR);

    if (!sr)
        return 0;
    if (capabilities[operation] && !sr_can(sr, capabilities[operation]))
        return e ? err_sr_operation_not_supported(e, REF_TEXT(sr->row.ref)) : -1;
    if (!(OP_BIT(operation) & allowed_unreachable) && !sr_is_attached(db, sr))
        return e ? err_sr_has_no_pbds(e, REF_TEXT(sr->row.ref)) : -1;
    return 0;
}

static int check(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)row;

    if (map_count(vdi->current_operations) > 0 &&
        !(operation == VDI_OPERATIONS_COPY && op_current_only(vdi->current_operations, OP(COPY))))
        return op_refuse_busy(row, vdi->current_operations, e);
    if (check_sr(db, vdi, operation, e) < 0 || check_drives(db, vdi, operation, e) < 0)
        return -1;
    if (operation == VDI_OPERATIONS_REVERT_FROM && !vdi->is_a_snapshot)
        return e ? err_operation_not_allowed(e, "Only snapshots of disks can be reverted to") : -1;
    if (operation == VDI_OPERATIONS_DESTROY && vdi->is_tools_iso)
        return e ? err_operation_not_allowed(e, "VDI.destroy is not allowed on the tools ISO") : -1;
    if (operation == VDI_OPERATIONS_DESTROY && vdi->type == VDI_TYPE_RRD)
        return e ? err_vdi_has_rrds(e, REF_TEXT(row->ref)) : -1;
    if (vdi->on_boot == ON_BOOT_RESET && (OP_BIT(operation) & (OP(SNAPSHOT) | OP(CLONE) | OP(MIRROR))))
        return e ? err_vdi_on_boot_mode_incompatible_with_operation(e) : -1;
    return 0;
}

static void dependents(struct db *db, const struct row *row,
                       void (*add)(enum model_class_id cls, struct ref ref, void *arg), void *arg)
{
    add(CLASS_SR, ((const struct vdi *)row)->SR, arg);
    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, row->ref)
        add(CLASS_VBD, vbd->row.ref, arg);
}

const struct op_rules vdi_op_rules = {
    .check = check, .messages = messages, .n_messages = VDI_OPERATIONS_COUNT, .dependents = dependents};
