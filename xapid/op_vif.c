/* What may be done to a VIF when. */
#include "xapid/op_rules.h"
#include "xapid/reftext.h"

static const char *const messages[VIF_OPERATIONS_COUNT] = {
    [VIF_OPERATIONS_ATTACH] = "VM.start",
    [VIF_OPERATIONS_PLUG] = "VIF.plug",
    [VIF_OPERATIONS_UNPLUG] = "VIF.unplug",
};

static const uint64_t vm_is_changing =
    OP_BIT(VM_OPERATIONS_CLEAN_SHUTDOWN) | OP_BIT(VM_OPERATIONS_HARD_SHUTDOWN) |
    OP_BIT(VM_OPERATIONS_SUSPEND) | OP_BIT(VM_OPERATIONS_PAUSE) | OP_BIT(VM_OPERATIONS_CLEAN_REBOOT) |
    OP_BIT(VM_OPERATIONS_HARD_REBOOT) | OP_BIT(VM_OPERATIONS_POOL_MIGRATE) |
    OP_BIT(VM_OPERATIONS_MIGRATE_SEND);

static int check_hotplug(const struct vif *vif, const struct vm *vm, int operation, struct err *e)
{
    static const char *const states[] = {"halted", "paused", "running", "suspended"};

    if (vm->power_state != VM_POWER_STATE_RUNNING)
        return e ? err_vm_bad_power_state(e, REF_TEXT(vm->row.ref), "running", states[vm->power_state]) : -1;
    if (operation == VIF_OPERATIONS_PLUG && vif->currently_attached)
        return e ? err_device_already_attached(e, REF_TEXT(vif->row.ref)) : -1;
    if (operation == VIF_OPERATIONS_UNPLUG && !vif->currently_attached)
        return e ? err_device_already_detached(e, REF_TEXT(vif->row.ref)) : -1;
    if (op_current_has(vm->current_operations, vm_is_changing))
        return e ? err_operation_not_allowed(e, "The VM is changing its power state or its host") : -1;
    return 0;
}

static int check(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct vif *vif = (const struct vif *)row;
    const struct vm *vm = db_vm(db, vif->VM);

    if (map_count(vif->current_operations) > 0)
        return op_refuse_busy(row, vif->current_operations, e);
    if (operation == VIF_OPERATIONS_ATTACH && vif->currently_attached)
        return e ? err_device_already_attached(e, REF_TEXT(row->ref)) : -1;
    return vm && operation != VIF_OPERATIONS_ATTACH ? check_hotplug(vif, vm, operation, e) : 0;
}

const struct op_rules vif_op_rules = {
    .check = check, .messages = messages, .n_messages = VIF_OPERATIONS_COUNT};
