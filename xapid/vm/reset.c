/* VM.power_state_reset: record a VM as halted whose guest nobody can find any more. */
#include <stdio.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/image.h"
#include "xapid/vm/record.h"

/* A guest that is up would be lost. The host that had it is asked, and takes back what the guest held; one
 * that is not there (any more) cannot be, and nobody but the caller knows that its guests are gone. */
static int co_check_gone(struct call *c, const struct vm *vm, struct err *e)
{
    const struct host *host = db_host(c->db, vm->resident_on);
    const struct host_metrics *metrics = host ? db_host_metrics(c->db, host->metrics) : NULL;
    struct ref at = host ? vm->resident_on : c->x->host;
    struct ref ref = vm->row.ref;
    enum hv_state state;
    char domid[24];

    snprintf(domid, sizeof domid, "%lld", (long long)vm->domid);
    if (!host_is_reachable(c->x, at))
        return metrics && metrics->live ? err_host_is_live(e, REF_TEXT(at)) : 0;
    const char *uuid = talloc_strdup(c->mem, vm->uuid);
    struct agent *agent = host_agent(c->x, at, e);
    if (co_agent_vm_state(agent, uuid, &state, e) < 0)
        return -1;
    if (state != HV_STATE_GONE)
        return err_domain_exists(e, REF_TEXT(ref), domid);
    return co_agent_vm_clean(agent, uuid, e);
}

int co_vm_power_state_reset(struct call *c, const struct vm_power_state_reset_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    crossing_give_up(c->x, a->vm);
    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_POWER_STATE_RESET, &op, e) < 0)
        return -1;
    const struct vm *vm = db_vm(c->db, a->vm);
    if (co_check_gone(c, vm, e) < 0)
        return -1;
    if (!(vm = (const struct vm *)call_row(c, CLASS_VM, a->vm, e)))
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_stopped(t, vm);
    if (db_commit(t, e) < 0)
        return -1;
    co_image_forget(c->x, a->vm);
    return 0;
}
