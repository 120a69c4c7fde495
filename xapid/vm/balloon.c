#include "xapid/vm/balloon.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/memory.h"
#include "xapid/vm/placement.h"

#define WAIT_MS 256000          /* as clients of XenAPI expect */
#define NEAR ((int64_t)1 << 20) /* bytes: balloons move in pages, targets need not */

/* Some guest's balloon has moved, or a target has. */
static struct fiber_cond *moved(void)
{
    static struct fiber_cond cond;
    static bool ready;

    if (!ready)
        fiber_cond_init(&cond);
    ready = true;
    return &cond;
}

void balloon_on_report(struct xapid *x, const struct vm *vm, int64_t memory)
{
    const struct vm_metrics *metrics = db_vm_metrics(x->db, vm->metrics);
    CLEANUP_ERR struct err e = {0};

    if (!metrics || metrics->memory_actual == memory)
        return;
    struct txn *t = db_begin(x->db);
    vm_metrics_set_memory_actual(t, metrics, memory);
    vm_metrics_set_last_updated(t, metrics, clock_wall());
    if (db_commit(t, &e) < 0)
        log_error("recording the memory of VM %s: %s", vm->uuid, e.code);
    fiber_cond_broadcast(moved());
}

static int check_free(struct xapid *x, const struct vm *vm, int64_t target, struct err *e)
{
    int64_t more = target - vm->memory_target, available = host_free_memory(x->db, vm->resident_on);
    char a[24], b[24];

    if (more <= 0 || more <= available)
        return 0;
    snprintf(a, sizeof a, "%lld", (long long)more);
    snprintf(b, sizeof b, "%lld", (long long)available);
    return err_host_not_enough_free_memory(e, a, b);
}

int co_balloon_ask(struct call *c, struct ref ref, int64_t target, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct agent *agent = vm ? vm_agent(c->x, ref, e) : NULL;

    if (!agent || check_free(c->x, vm, target, e) < 0)
        return -1;
    return co_agent_vm_set_memory(agent, talloc_strdup(c->mem, vm->uuid), target, e);
}

void balloon_target_changed(void)
{
    fiber_cond_broadcast(moved());
}

/* The old form of set_memory_dynamic_range: both limits become the target. */
int co_vm_set_memory_target_live(struct call *c, const struct vm_set_memory_target_live_args *a,
                                 struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->self, VM_OPERATIONS_CHANGING_MEMORY_LIVE, &op, e) < 0)
        return -1;
    return co_memory_set_dynamic(c, a->self, a->target, a->target, e);
}

/* How far the guest is from its target; 0 when it is down or nobody knows. */
static int64_t distance(struct db *db, const struct vm *vm)
{
    const struct vm_metrics *metrics = db_vm_metrics(db, vm->metrics);

    if (!metrics || vm->power_state != VM_POWER_STATE_RUNNING || vm->memory_target == 0)
        return 0;
    return llabs(metrics->memory_actual - vm->memory_target);
}

int co_vm_wait_memory_target_live(struct call *c, const struct vm_wait_memory_target_live_args *a,
                                  struct err *e)
{
    CLEANUP_OP struct op op = {0};
    int64_t deadline = clock_in_ms(WAIT_MS);

    if (co_op_begin(c, CLASS_VM, a->self, VM_OPERATIONS_AWAITING_MEMORY_LIVE, &op, e) < 0)
        return -1;
    for (;;) {
        const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);
        if (!vm || distance(c->db, vm) < NEAR)
            return vm ? 0 : -1;
        int r = co_cond_wait(moved(), deadline, "the memory of %s", vm->uuid);
        if (r == -ETIMEDOUT)
            return err_vm_memory_target_wait_timeout(e, REF_TEXT(c->task));
        if (r < 0)
            return err_errno(e, r, "waiting for memory");
    }
}
