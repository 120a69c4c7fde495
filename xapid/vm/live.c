/* The processors of a VM that runs: their number and their share of the host's. */
#include <stdio.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/vm.h"

/* What the guest has now; at_startup also says what it is to have next time, unless it is 0. */
static int record(struct call *c, struct ref ref, unsigned number, int64_t at_startup,
                  const struct map *params, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    const struct vm_metrics *metrics = vm ? db_vm_metrics(c->db, vm->metrics) : NULL;

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    if (at_startup > 0)
        vm_set_vcpus_at_startup(t, vm, at_startup);
    vm_set_vcpus_params(t, vm, params);
    if (metrics && number > 0)
        vm_metrics_set_vcpus_number(t, metrics, number);
    if (metrics)
        vm_metrics_set_vcpus_params(t, metrics, params);
    return db_commit(t, e);
}

/* n processors, or those it has (0), with these settings. */
static int co_change(struct call *c, struct ref ref, unsigned n, const struct map *params, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct agent *agent = vm ? vm_agent(c->x, ref, e) : NULL;
    CLEANUP_ERR struct err second = {0};
    unsigned now = 0;
    int r;

    if (!agent)
        return -1;
    params = copy_text_map(c->mem, params);
    r = co_agent_vm_set_processors(agent, talloc_strdup(c->mem, vm->uuid), n, params, &now, e);
    if (r == 0)
        return record(c, ref, now, n, params, e);
    /* A guest may have given up some of those that it was asked for. */
    if (now > 0 && (vm = db_vm(c->db, ref)))
        record(c, ref, now, 0, copy_text_map(c->mem, vm->VCPUs_params), &second);
    return -1;
}

int co_vm_set_vcpus_number_live(struct call *c, const struct vm_set_vcpus_number_live_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->self, VM_OPERATIONS_CHANGING_VCPUS_LIVE, &op, e) < 0)
        return -1;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);
    if (!vm || vcpus_check(vm->VCPUs_max, a->nvcpu, e) < 0)
        return -1;
    return co_change(c, a->self, (unsigned)a->nvcpu, vm->VCPUs_params, e);
}

/* A key that is there already gets the new value. */
int co_vm_add_to_vcpus_params_live(struct call *c, const struct vm_add_to_vcpus_params_live_args *a,
                                   struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->self, VM_OPERATIONS_CHANGING_VCPUS_LIVE, &op, e) < 0)
        return -1;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);
    return vm ? co_change(c, a->self, 0, map_with(c->mem, vm->VCPUs_params, a->key, a->value), e) : -1;
}
