/* VM_appliance: VMs that start and stop together, in their order. */
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/vm/stop.h"

int co_vm_appliance_create(struct call *c, const struct vm_appliance_create_args *a, union value *ret,
                           struct err *e)
{
    struct txn *t = db_begin(c->db);
    const struct vm_appliance *appliance = vm_appliance_create(t);

    call_set_members(c, t, &appliance->row, a);
    ret->r = appliance->row.ref;
    return db_commit(t, e);
}

int co_vm_appliance_destroy(struct call *c, const struct vm_appliance_destroy_args *a, struct err *e)
{
    const struct vm_appliance *appliance =
        (const struct vm_appliance *)call_row(c, CLASS_VM_APPLIANCE, a->self, e);

    if (!appliance)
        return -1;
    if (map_count(appliance->current_operations) > 0)
        return op_refuse_busy(&appliance->row, appliance->current_operations, e);
    const struct set *vms = db_referrers(c->db, c->mem, CLASS_VM, VM_F_APPLIANCE, a->self);
    struct txn *t = db_begin(c->db);
    for (uint32_t i = 0; i < set_count(vms); i++)
        vm_set_appliance(t, db_vm(c->db, vms->v[i].r), REF_NULL);
    db_delete(t, &appliance->row);
    return db_commit(t, e);
}

/* ---- starting and stopping: in groups of the same VM.order ---- */

struct member {
    struct ref vm;
    int64_t order, start_delay, shutdown_delay;
};

static int compare_order(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

static struct member *members_in_order(struct call *c, struct ref appliance, unsigned *ret_n)
{
    const struct set *vms = db_referrers(c->db, c->mem, CLASS_VM, VM_F_APPLIANCE, appliance);
    struct member *members = talloc_zero_array(c->mem, struct member, set_count(vms) + 1);

    *ret_n = set_count(vms);
    for (uint32_t i = 0; i < set_count(vms); i++) {
        const struct vm *vm = db_vm(c->db, vms->v[i].r);
        members[i] = (struct member){vm->row.ref, vm->order, vm->start_delay, vm->shutdown_delay};
    }
    qsort(members, *ret_n, sizeof *members, compare_order);
    return members;
}

enum way { START, START_PAUSED, STOP_CLEAN, STOP_HARD, STOP };

/* Is the VM in a state that the way applies to? */
static bool applies(const struct vm *vm, enum way way)
{
    if (way == START || way == START_PAUSED)
        return vm->power_state == VM_POWER_STATE_HALTED;
    return vm->power_state == VM_POWER_STATE_RUNNING ||
           (way != STOP_CLEAN && vm->power_state == VM_POWER_STATE_PAUSED);
}

static int co_do_one(struct call *c, struct ref vm, enum way way, struct err *e)
{
    struct vm_start_args start = {.vm = vm, .start_paused = way == START_PAUSED};
    struct vm_shutdown_args stop = {.vm = vm};

    switch (way) {
    case START:
    case START_PAUSED:
        return co_vm_start(c, &start, e);
    case STOP_CLEAN:
        return co_vm_stop_clean(c, vm, e);
    case STOP_HARD:
        return co_vm_stop_hard(c, vm, e);
    case STOP:
        return co_vm_shutdown(c, &stop, e);
    }
    return 0;
}

/* Each in its turn; the first error is the answer, but does not keep the others from their turn. */
static int co_do_all(struct call *c, struct ref appliance, int operation, enum way way, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    bool starting = way == START || way == START_PAUSED;
    unsigned n;

    if (co_op_begin(c, CLASS_VM_APPLIANCE, appliance, operation, &op, e) < 0)
        return -1;
    const struct member *members = members_in_order(c, appliance, &n);
    for (unsigned i = 0; i < n; i++) {
        const struct member *m = &members[starting ? i : n - 1 - i];
        const struct vm *vm = db_vm(c->db, m->vm);
        CLEANUP_ERR struct err mine = {0};
        if (vm && applies(vm, way) && co_do_one(c, m->vm, way, &mine) < 0)
            err_move(e, &mine);
        call_progress(c, (i + 1.0) / n);
        int64_t delay = starting ? m->start_delay : m->shutdown_delay;
        if (delay > 0 && i + 1 < n &&
            co_sleep_until(clock_in_ms(delay * 1000), "the next VM of an appliance") < 0)
            return err_task_cancelled(e, REF_TEXT(c->task));
    }
    return err_is_set(e) ? -1 : 0;
}

int co_vm_appliance_start(struct call *c, const struct vm_appliance_start_args *a, struct err *e)
{
    return co_do_all(c, a->self, VM_APPLIANCE_OPERATION_START, a->paused ? START_PAUSED : START, e);
}

int co_vm_appliance_clean_shutdown(struct call *c, const struct vm_appliance_clean_shutdown_args *a,
                                   struct err *e)
{
    return co_do_all(c, a->self, VM_APPLIANCE_OPERATION_CLEAN_SHUTDOWN, STOP_CLEAN, e);
}

int co_vm_appliance_hard_shutdown(struct call *c, const struct vm_appliance_hard_shutdown_args *a,
                                  struct err *e)
{
    return co_do_all(c, a->self, VM_APPLIANCE_OPERATION_HARD_SHUTDOWN, STOP_HARD, e);
}

int co_vm_appliance_shutdown(struct call *c, const struct vm_appliance_shutdown_args *a, struct err *e)
{
    return co_do_all(c, a->self, VM_APPLIANCE_OPERATION_SHUTDOWN, STOP, e);
}
