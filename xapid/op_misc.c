/* What may be done to a host, a pool, an appliance and a TPM when. */
#include "xapid/op_rules.h"
#include "xapid/reftext.h"

#define HOST(name) OP_BIT(HOST_ALLOWED_OPERATIONS_##name)

/* ---- host ---- */

static const char *const host_messages[HOST_ALLOWED_OPERATIONS_COUNT] = {
    [HOST_ALLOWED_OPERATIONS_PROVISION] = "VM.provision",
    [HOST_ALLOWED_OPERATIONS_EVACUATE] = "host.evacuate",
    [HOST_ALLOWED_OPERATIONS_SHUTDOWN] = "host.shutdown",
    [HOST_ALLOWED_OPERATIONS_REBOOT] = "host.reboot",
    [HOST_ALLOWED_OPERATIONS_POWER_ON] = "host.power_on",
    [HOST_ALLOWED_OPERATIONS_VM_START] = "VM.start",
    [HOST_ALLOWED_OPERATIONS_VM_RESUME] = "VM.resume",
    [HOST_ALLOWED_OPERATIONS_VM_MIGRATE] = "VM.pool_migrate",
    [HOST_ALLOWED_OPERATIONS_APPLY_UPDATES] = "host.apply_updates",
    [HOST_ALLOWED_OPERATIONS_ENABLE] = "host.enable",
};

/* Work for single VMs goes on side by side; the rest excludes everything else. */
static const uint64_t host_side_by_side =
    HOST(PROVISION) | HOST(VM_START) | HOST(VM_RESUME) | HOST(VM_MIGRATE);
static const uint64_t host_needs_disabled = HOST(SHUTDOWN) | HOST(REBOOT) | HOST(APPLY_UPDATES);

static int check_host(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct host *host = (const struct host *)row;
    uint64_t bit = OP_BIT(operation);
    const struct host_metrics *metrics = db_host_metrics(db, host->metrics);

    if (map_count(host->current_operations) > 0 && op_current_has(host->current_operations, HOST(EVACUATE)) &&
        (bit & host_side_by_side))
        return e ? err_host_evacuate_in_progress(e, REF_TEXT(row->ref)) : -1;
    if (map_count(host->current_operations) > 0 &&
        !((bit & host_side_by_side) && op_current_only(host->current_operations, host_side_by_side)))
        return op_refuse_busy(row, host->current_operations, e);
    if ((bit & host_needs_disabled) && host->enabled)
        return e ? err_host_not_disabled(e) : -1;
    if ((bit & host_side_by_side) && !host->enabled)
        return e ? err_host_disabled(e, REF_TEXT(row->ref)) : -1;
    if (operation == HOST_ALLOWED_OPERATIONS_POWER_ON && metrics && metrics->live)
        return e ? err_host_is_live(e, REF_TEXT(row->ref)) : -1;
    return 0;
}

const struct op_rules host_op_rules = {
    .check = check_host, .messages = host_messages, .n_messages = HOST_ALLOWED_OPERATIONS_COUNT};

/* ---- pool: one thing at a time ---- */

static const char *const pool_messages[POOL_ALLOWED_OPERATIONS_COUNT] = {
    [POOL_ALLOWED_OPERATIONS_HA_ENABLE] = "pool.enable_ha",
    [POOL_ALLOWED_OPERATIONS_HA_DISABLE] = "pool.disable_ha",
    [POOL_ALLOWED_OPERATIONS_CLUSTER_CREATE] = "Cluster.create",
    [POOL_ALLOWED_OPERATIONS_DESIGNATE_NEW_MASTER] = "pool.designate_new_master",
    [POOL_ALLOWED_OPERATIONS_CONFIGURE_REPOSITORIES] = "pool.set_repositories",
    [POOL_ALLOWED_OPERATIONS_SYNC_UPDATES] = "pool.sync_updates",
    [POOL_ALLOWED_OPERATIONS_APPLY_UPDATES] = "host.apply_updates",
    [POOL_ALLOWED_OPERATIONS_TLS_VERIFICATION_ENABLE] = "pool.enable_tls_verification",
    [POOL_ALLOWED_OPERATIONS_CERT_REFRESH] = "host.refresh_server_certificate",
    [POOL_ALLOWED_OPERATIONS_EJECT] = "pool.eject",
};

static int check_pool(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct pool *pool = (const struct pool *)row;

    if (map_count(pool->current_operations) > 0)
        return op_refuse_busy(row, pool->current_operations, e);
    if (operation == POOL_ALLOWED_OPERATIONS_HA_ENABLE && pool->ha_enabled)
        return e ? err_ha_is_enabled(e) : -1;
    if (operation == POOL_ALLOWED_OPERATIONS_HA_DISABLE && !pool->ha_enabled)
        return e ? err_ha_not_enabled(e) : -1;
    return 0;
}

const struct op_rules pool_op_rules = {
    .check = check_pool, .messages = pool_messages, .n_messages = POOL_ALLOWED_OPERATIONS_COUNT};

/* ---- VM_appliance ---- */

static const char *const appliance_messages[VM_APPLIANCE_OPERATION_COUNT] = {
    [VM_APPLIANCE_OPERATION_START] = "VM_appliance.start",
    [VM_APPLIANCE_OPERATION_CLEAN_SHUTDOWN] = "VM_appliance.clean_shutdown",
    [VM_APPLIANCE_OPERATION_HARD_SHUTDOWN] = "VM_appliance.hard_shutdown",
    [VM_APPLIANCE_OPERATION_SHUTDOWN] = "VM_appliance.shutdown",
};

/* Is a VM of the appliance in a state that the operation works on? */
static bool appliance_has_work(struct db *db, const struct row *row, int operation)
{
    FOREACH_REFERRER (db, vm, vm, VM, APPLIANCE, row->ref) {
        bool up =
            vm->power_state == VM_POWER_STATE_RUNNING ||
            (vm->power_state == VM_POWER_STATE_PAUSED && operation != VM_APPLIANCE_OPERATION_CLEAN_SHUTDOWN);
        if (operation == VM_APPLIANCE_OPERATION_START ? vm->power_state == VM_POWER_STATE_HALTED : up)
            return true;
    }
    return false;
}

static int check_appliance(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct vm_appliance *appliance = (const struct vm_appliance *)row;

    if (map_count(appliance->current_operations) > 0)
        return op_refuse_busy(row, appliance->current_operations, e);
    if (!appliance_has_work(db, row, operation))
        return e ? err_operation_not_allowed(e, "No VM of the appliance is in a state for this operation")
                 : -1;
    return 0;
}

const struct op_rules vm_appliance_op_rules = {
    .check = check_appliance, .messages = appliance_messages, .n_messages = VM_APPLIANCE_OPERATION_COUNT};

/* ---- VTPM ---- */

static const char *const vtpm_messages[VTPM_OPERATIONS_COUNT] = {[VTPM_OPERATIONS_DESTROY] = "VTPM.destroy"};

static int check_vtpm(struct db *db, const struct row *row, int operation, struct err *e)
{
    static const char *const states[] = {"halted", "paused", "running", "suspended"};
    const struct vtpm *vtpm = (const struct vtpm *)row;
    const struct vm *vm = db_vm(db, vtpm->VM);

    if (map_count(vtpm->current_operations) > 0)
        return op_refuse_busy(row, vtpm->current_operations, e);
    if (vm && vm->power_state != VM_POWER_STATE_HALTED)
        return e ? err_vm_bad_power_state(e, REF_TEXT(vtpm->VM), "halted", states[vm->power_state]) : -1;
    return 0;
}

const struct op_rules vtpm_op_rules = {
    .check = check_vtpm, .messages = vtpm_messages, .n_messages = VTPM_OPERATIONS_COUNT};
