/* What may be done to a VM when. */
#include "xapid/op_rules.h"
#include "lib/buf.h"
#include "xapid/reftext.h"

#define OP(name) OP_BIT(VM_OPERATIONS_##name)

enum {
    HALTED = 1 << VM_POWER_STATE_HALTED,
    PAUSED = 1 << VM_POWER_STATE_PAUSED,
    RUNNING = 1 << VM_POWER_STATE_RUNNING,
    SUSPENDED = 1 << VM_POWER_STATE_SUSPENDED,
    ANY = HALTED | PAUSED | RUNNING | SUSPENDED
};

/* The power states that each operation starts from. */
static const unsigned char allowed_states[VM_OPERATIONS_COUNT] = {
    [VM_OPERATIONS_SNAPSHOT] = ANY,
    [VM_OPERATIONS_CLONE] = HALTED | SUSPENDED,
    [VM_OPERATIONS_COPY] = HALTED,
    [VM_OPERATIONS_CREATE_TEMPLATE] = HALTED | SUSPENDED,
    [VM_OPERATIONS_REVERT] = ANY,
    [VM_OPERATIONS_CHECKPOINT] = PAUSED | RUNNING | SUSPENDED,
    [VM_OPERATIONS_SNAPSHOT_WITH_QUIESCE] = RUNNING,
    [VM_OPERATIONS_PROVISION] = HALTED,
    [VM_OPERATIONS_START] = HALTED,
    [VM_OPERATIONS_START_ON] = HALTED,
    [VM_OPERATIONS_PAUSE] = RUNNING,
    [VM_OPERATIONS_UNPAUSE] = PAUSED,
    [VM_OPERATIONS_CLEAN_SHUTDOWN] = RUNNING,
    [VM_OPERATIONS_CLEAN_REBOOT] = RUNNING,
    [VM_OPERATIONS_HARD_SHUTDOWN] = PAUSED | RUNNING | SUSPENDED,
    [VM_OPERATIONS_POWER_STATE_RESET] = ANY,
    [VM_OPERATIONS_HARD_REBOOT] = PAUSED | RUNNING,
    [VM_OPERATIONS_SUSPEND] = RUNNING,
    [VM_OPERATIONS_CSVM] = SUSPENDED,
    [VM_OPERATIONS_RESUME] = SUSPENDED,
    [VM_OPERATIONS_RESUME_ON] = SUSPENDED,
    [VM_OPERATIONS_POOL_MIGRATE] = RUNNING,
    [VM_OPERATIONS_MIGRATE_SEND] = HALTED | RUNNING | SUSPENDED,
    [VM_OPERATIONS_GET_BOOT_RECORD] = PAUSED | RUNNING | SUSPENDED,
    [VM_OPERATIONS_SEND_SYSRQ] = RUNNING,
    [VM_OPERATIONS_SEND_TRIGGER] = RUNNING,
    [VM_OPERATIONS_QUERY_SERVICES] = RUNNING,
    [VM_OPERATIONS_SHUTDOWN] = PAUSED | RUNNING | SUSPENDED,
    [VM_OPERATIONS_CALL_PLUGIN] = RUNNING,
    [VM_OPERATIONS_CHANGING_MEMORY_LIVE] = RUNNING,
    [VM_OPERATIONS_AWAITING_MEMORY_LIVE] = RUNNING,
    [VM_OPERATIONS_CHANGING_DYNAMIC_RANGE] = HALTED | RUNNING,
    [VM_OPERATIONS_CHANGING_STATIC_RANGE] = HALTED | RUNNING, /* up only: memory.c */
    [VM_OPERATIONS_CHANGING_MEMORY_LIMITS] = HALTED | RUNNING,
    [VM_OPERATIONS_CHANGING_SHADOW_MEMORY] = HALTED,
    [VM_OPERATIONS_CHANGING_SHADOW_MEMORY_LIVE] = RUNNING,
    [VM_OPERATIONS_CHANGING_VCPUS] = HALTED,
    [VM_OPERATIONS_CHANGING_VCPUS_LIVE] = RUNNING,
    [VM_OPERATIONS_CHANGING_NVRAM] = HALTED,
    [VM_OPERATIONS_ASSERT_OPERATION_VALID] = ANY,
    [VM_OPERATIONS_DATA_SOURCE_OP] = ANY,
    [VM_OPERATIONS_UPDATE_ALLOWED_OPERATIONS] = ANY,
    [VM_OPERATIONS_MAKE_INTO_TEMPLATE] = HALTED,
    [VM_OPERATIONS_IMPORT] = HALTED,
    [VM_OPERATIONS_EXPORT] = HALTED | SUSPENDED,
    [VM_OPERATIONS_METADATA_EXPORT] = ANY,
    [VM_OPERATIONS_REVERTING] = ANY,
    [VM_OPERATIONS_DESTROY] = HALTED | SUSPENDED,
    [VM_OPERATIONS_CREATE_VTPM] = HALTED,
    [VM_OPERATIONS_SYSPREP] = RUNNING,
};

/* Which message each operation is carried out by. */
static const char *const messages[VM_OPERATIONS_COUNT] = {
    [VM_OPERATIONS_SNAPSHOT] = "VM.snapshot",
    [VM_OPERATIONS_CLONE] = "VM.clone",
    [VM_OPERATIONS_COPY] = "VM.copy",
    [VM_OPERATIONS_REVERT] = "VM.revert",
    [VM_OPERATIONS_CHECKPOINT] = "VM.checkpoint",
    [VM_OPERATIONS_PROVISION] = "VM.provision",
    [VM_OPERATIONS_START] = "VM.start",
    [VM_OPERATIONS_START_ON] = "VM.start_on",
    [VM_OPERATIONS_PAUSE] = "VM.pause",
    [VM_OPERATIONS_UNPAUSE] = "VM.unpause",
    [VM_OPERATIONS_CLEAN_SHUTDOWN] = "VM.clean_shutdown",
    [VM_OPERATIONS_CLEAN_REBOOT] = "VM.clean_reboot",
    [VM_OPERATIONS_HARD_SHUTDOWN] = "VM.hard_shutdown",
    [VM_OPERATIONS_HARD_REBOOT] = "VM.hard_reboot",
    [VM_OPERATIONS_SUSPEND] = "VM.suspend",
    [VM_OPERATIONS_RESUME] = "VM.resume",
    [VM_OPERATIONS_RESUME_ON] = "VM.resume_on",
    [VM_OPERATIONS_POOL_MIGRATE] = "VM.pool_migrate",
    [VM_OPERATIONS_MIGRATE_SEND] = "VM.migrate_send",
    [VM_OPERATIONS_SEND_SYSRQ] = "VM.send_sysrq",
    [VM_OPERATIONS_SEND_TRIGGER] = "VM.send_trigger",
    [VM_OPERATIONS_CHANGING_MEMORY_LIVE] = "VM.set_memory_target_live",
    [VM_OPERATIONS_CHANGING_DYNAMIC_RANGE] = "VM.set_memory_dynamic_range",
    [VM_OPERATIONS_CHANGING_STATIC_RANGE] = "VM.set_memory_static_range",
    [VM_OPERATIONS_CHANGING_MEMORY_LIMITS] = "VM.set_memory_limits",
    [VM_OPERATIONS_CHANGING_SHADOW_MEMORY] = "VM.set_HVM_shadow_multiplier",
    [VM_OPERATIONS_CHANGING_SHADOW_MEMORY_LIVE] = "VM.set_shadow_multiplier_live",
    [VM_OPERATIONS_CHANGING_VCPUS] = "VM.set_VCPUs_max",
    [VM_OPERATIONS_CHANGING_VCPUS_LIVE] = "VM.set_VCPUs_number_live",
    [VM_OPERATIONS_CHANGING_NVRAM] = "VM.set_NVRAM",
    [VM_OPERATIONS_MAKE_INTO_TEMPLATE] = "VM.set_is_a_template",
    [VM_OPERATIONS_DESTROY] = "VM.destroy",
    [VM_OPERATIONS_CREATE_VTPM] = "VTPM.create",
    [VM_OPERATIONS_SYSPREP] = "VM.sysprep",
};

static const uint64_t allowed_on_template =
    OP(CLONE) | OP(COPY) | OP(EXPORT) | OP(METADATA_EXPORT) | OP(PROVISION) | OP(CHANGING_DYNAMIC_RANGE) |
    OP(CHANGING_STATIC_RANGE) | OP(CHANGING_MEMORY_LIMITS) | OP(CHANGING_SHADOW_MEMORY) | OP(CHANGING_VCPUS) |
    OP(CHANGING_NVRAM) | OP(UPDATE_ALLOWED_OPERATIONS) | OP(ASSERT_OPERATION_VALID) | OP(IMPORT);
static const uint64_t allowed_on_own_template = OP(DESTROY) | OP(MIGRATE_SEND) | OP(CREATE_VTPM);
static const uint64_t allowed_on_snapshot = OP(REVERT) | OP(CLONE) | OP(COPY) | OP(EXPORT) | OP(DESTROY) |
                                            OP(HARD_SHUTDOWN) | OP(METADATA_EXPORT) |
                                            OP(UPDATE_ALLOWED_OPERATIONS) | OP(ASSERT_OPERATION_VALID);
static const uint64_t allowed_on_control_domain =
    OP(METADATA_EXPORT) | OP(DATA_SOURCE_OP) | OP(UPDATE_ALLOWED_OPERATIONS) | OP(ASSERT_OPERATION_VALID);
static const uint64_t needs_mobility = OP(SUSPEND) | OP(CHECKPOINT) | OP(POOL_MIGRATE) | OP(MIGRATE_SEND);

static int refuse_power_state(const struct vm *vm, unsigned states, struct err *e)
{
    static const char *const names[] = {"halted", "paused", "running", "suspended"};
    char expected[64] = "";

    if (!e)
        return -1;
    for (unsigned s = 0; s < VM_POWER_STATE_COUNT; s++)
        if (states & 1u << s) {
            strcat(expected, expected[0] ? ", " : "");
            strcat(expected, names[s]);
        }
    return err_vm_bad_power_state(e, REF_TEXT(vm->row.ref), expected, names[vm->power_state]);
}

/* VM_IS_TEMPLATE and VM_IS_SNAPSHOT name the operation too. */
static int refuse_kind(const struct vm *vm, const char *code, int operation, struct err *e)
{
    if (!e)
        return -1;
    return err_set(e, code, 2, REF_TEXT(vm->row.ref), model_enum_vm_operations.values[operation]);
}

static const char *blocked_reason(const struct vm *vm, int operation)
{
    for (uint32_t i = 0; i < map_count(vm->blocked_operations); i++)
        if (vm->blocked_operations->e[i].k.i == operation)
            return vm->blocked_operations->e[i].v.s ? vm->blocked_operations->e[i].v.s : "";
    return NULL;
}

/* May operation start beside those in progress? */
static bool may_run_beside(const struct vm *vm, int operation)
{
    static const uint64_t copies = OP(CLONE) | OP(COPY) | OP(EXPORT);
    static const uint64_t snapshots = OP(SNAPSHOT) | OP(CHECKPOINT);
    const struct map *current = vm->current_operations;

    if (map_count(current) == 0 || operation == VM_OPERATIONS_HARD_SHUTDOWN)
        return true;
    if (OP_BIT(operation) & copies)
        return op_current_only(current, copies);
    if (OP_BIT(operation) & snapshots)
        return op_current_only(current, snapshots);
    return (OP_BIT(operation) & (OP(METADATA_EXPORT) | OP(CLEAN_SHUTDOWN) | OP(CLEAN_REBOOT))) &&
           op_current_only(current, OP(MIGRATE_SEND));
}

/* Templates, snapshots and the control domain allow only some operations; two exist for them alone. */
static int check_kind(const struct vm *vm, int operation, struct err *e)
{
    uint64_t bit = OP_BIT(operation);

    if (vm->is_a_snapshot && !(bit & allowed_on_snapshot))
        return refuse_kind(vm, "VM_IS_SNAPSHOT", operation, e);
    if (vm->is_a_template && !vm->is_a_snapshot && !(bit & allowed_on_template) &&
        !((bit & allowed_on_own_template) && !vm->is_default_template))
        return refuse_kind(vm, "VM_IS_TEMPLATE", operation, e);
    if (operation == VM_OPERATIONS_PROVISION && !vm->is_a_template)
        return e ? err_provision_only_allowed_on_template(e) : -1;
    if (operation == VM_OPERATIONS_REVERT && !vm->is_a_snapshot)
        return e ? err_revert_only_allowed_on_snapshot(e) : -1;
    if (vm->is_control_domain && !(bit & allowed_on_control_domain))
        return e ? err_operation_not_allowed(e, "This operation is not allowed on a control domain") : -1;
    return 0;
}

static int check_mobility(struct db *db, const struct vm *vm, int operation, struct err *e)
{
    const struct vm_metrics *metrics = db_vm_metrics(db, vm->metrics);

    if (!(OP_BIT(operation) & needs_mobility) || vm->power_state != VM_POWER_STATE_RUNNING || !metrics)
        return 0;
    if (metrics->nomigrate || metrics->nested_virt)
        return e ? err_vm_is_immobile(e, REF_TEXT(vm->row.ref)) : -1;
    return 0;
}

/* Disks that are reset at boot have no state to keep. */
static int check_disks(struct db *db, const struct vm *vm, int operation, struct err *e)
{
    if (!(OP_BIT(operation) & (OP(CHECKPOINT) | OP(SUSPEND))))
        return 0;
    FOREACH_REFERRER (db, vbd, vbd, VBD, VM, vm->row.ref) {
        const struct vdi *vdi = db_vdi(db, vbd->VDI);
        if (vdi && vdi->on_boot == ON_BOOT_RESET)
            return e ? err_vdi_on_boot_mode_incompatible_with_operation(e) : -1;
    }
    return 0;
}

static int check(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct vm *vm = (const struct vm *)row;
    const char *reason;

    if (!(allowed_states[operation] & 1u << vm->power_state))
        return refuse_power_state(vm, allowed_states[operation], e);
    if ((reason = blocked_reason(vm, operation)))
        return e ? err_operation_blocked(e, REF_TEXT(row->ref), reason) : -1;
    if (!may_run_beside(vm, operation))
        return op_refuse_busy(row, vm->current_operations, e);
    if (check_kind(vm, operation, e) < 0)
        return -1;
    if (check_mobility(db, vm, operation, e) < 0)
        return -1;
    return check_disks(db, vm, operation, e);
}

static void dependents(struct db *db, const struct row *row,
                       void (*add)(enum model_class_id cls, struct ref ref, void *arg), void *arg)
{
    FOREACH_REFERRER (db, vbd, vbd, VBD, VM, row->ref) {
        add(CLASS_VBD, vbd->row.ref, arg);
        if (vbd->currently_attached) /* a suspended VM's disk can be cloned */
            add(CLASS_VDI, vbd->VDI, arg);
    }
    FOREACH_REFERRER (db, vif, vif, VIF, VM, row->ref)
        add(CLASS_VIF, vif->row.ref, arg);
    FOREACH_REFERRER (db, vtpm, vtpm, VTPM, VM, row->ref)
        add(CLASS_VTPM, vtpm->row.ref, arg);
    add(CLASS_VM_APPLIANCE, ((const struct vm *)row)->appliance, arg);
}

const struct op_rules vm_op_rules = {
    .check = check, .messages = messages, .n_messages = VM_OPERATIONS_COUNT, .dependents = dependents};
