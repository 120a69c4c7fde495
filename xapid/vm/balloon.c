#include "xapid/vm/balloon.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/memory.h"
#include "xapid/vm/share.h"
#include "xapid/vm/squeeze.h"

#define WAIT_MS 256000  /* as clients of XenAPI expect */
#define STUCK_MS 300000 /* balloon.h: some minutes */
#define LATE_MS 1000
#define NEAR ((int64_t)1 << 20) /* bytes: balloons move in pages, targets need not */

struct fiber_cond *balloon_moved(void)
{
    static struct fiber_cond cond;
    static bool ready;

    if (!ready)
        fiber_cond_init(&cond);
    ready = true;
    return &cond;
}

/* ---- guests that do not follow ---- */

struct stuck {
    struct ref vm;
    int64_t domid, until;
    SLIST_ENTRY(stuck) link;
};

static SLIST_HEAD(, stuck) all_stuck = SLIST_HEAD_INITIALIZER(all_stuck);

static struct stuck *find_stuck(struct ref vm)
{
    struct stuck *s;

    SLIST_FOREACH (s, &all_stuck, link)
        if (ref_equal(s->vm, vm))
            return s;
    return NULL;
}

static void forget_stuck(struct ref vm)
{
    struct stuck *s = find_stuck(vm);

    if (s)
        SLIST_REMOVE(&all_stuck, s, stuck, link);
    free(s);
}

static bool is_over(struct db *db, const struct stuck *s)
{
    const struct vm *vm = db_vm(db, s->vm);

    return !vm || vm->domid != s->domid || clock_now() >= s->until;
}

static void forget_old(struct db *db)
{
    struct stuck *s, *next;

    for (s = SLIST_FIRST(&all_stuck); s; s = next) {
        next = SLIST_NEXT(s, link);
        if (is_over(db, s))
            forget_stuck(s->vm);
    }
}

void balloon_mark_stuck(struct db *db, const struct vm *vm)
{
    struct stuck *s = mem_zalloc(sizeof *s);

    forget_old(db);
    forget_stuck(vm->row.ref);
    *s = (struct stuck){.vm = vm->row.ref, .domid = vm->domid, .until = clock_in_ms(STUCK_MS)};
    SLIST_INSERT_HEAD(&all_stuck, s, link);
    log_info("VM %s does not give memory back", vm->uuid);
}

bool balloon_is_stuck(const struct vm *vm)
{
    const struct stuck *s = find_stuck(vm->row.ref);

    return s && s->domid == vm->domid && clock_now() < s->until;
}

/* ---- what they say, and are told ---- */

static int record_actual(struct xapid *x, const struct vm *vm, int64_t memory)
{
    const struct vm_metrics *metrics = db_vm_metrics(x->db, vm->metrics);
    CLEANUP_ERR struct err e = {0};

    if (!metrics || metrics->memory_actual == memory)
        return 0;
    struct txn *t = db_begin(x->db);
    vm_metrics_set_memory_actual(t, metrics, memory);
    vm_metrics_set_last_updated(t, metrics, clock_wall());
    if (db_commit(t, &e) < 0) {
        log_error("recording the memory of VM %s: %s", vm->uuid, e.code);
        return -1;
    }
    squeeze_look(vm->resident_on);
    fiber_cond_broadcast(balloon_moved());
    return 0;
}

/* A report that could not be recorded: nobody says it again. */
struct late {
    struct xapid *x;
    struct ref vm;
    int64_t domid, memory;
    bool overtaken;
    SLIST_ENTRY(late) link;
};

static SLIST_HEAD(, late) all_late = SLIST_HEAD_INITIALIZER(all_late);

static void co_record_late(void *arg)
{
    struct late *l = arg;

    while (co_sleep_until(clock_in_ms(LATE_MS), "another attempt to record a guest's memory") == 0) {
        const struct vm *vm = db_vm(l->x->db, l->vm);
        if (!vm || vm->domid != l->domid || l->overtaken || record_actual(l->x, vm, l->memory) == 0)
            break;
    }
    SLIST_REMOVE(&all_late, l, late, link);
    free(l);
}

static void record_late(struct xapid *x, const struct vm *vm, int64_t memory)
{
    struct late *l = mem_zalloc(sizeof *l);

    *l = (struct late){.x = x, .vm = vm->row.ref, .domid = vm->domid, .memory = memory};
    SLIST_INSERT_HEAD(&all_late, l, link);
    fiber_spawn("late report", co_record_late, l);
}

void balloon_on_report(struct xapid *x, const struct vm *vm, int64_t memory)
{
    struct late *l;

    forget_stuck(vm->row.ref);
    SLIST_FOREACH (l, &all_late, link)
        l->overtaken = l->overtaken || ref_equal(l->vm, vm->row.ref);
    if (record_actual(x, vm, memory) < 0)
        record_late(x, vm, memory);
}

static int check_free(struct xapid *x, const struct vm *vm, int64_t target, struct err *e)
{
    int64_t more = target - vm->memory_target, idle = host_idle_memory(x->db, vm->resident_on, NULL);

    return more <= 0 || more <= idle ? 0 : memory_refuse(more, idle, e);
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
    fiber_cond_broadcast(balloon_moved());
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
        int r = co_cond_wait(balloon_moved(), deadline, "the memory of %s", vm->uuid);
        if (r == -ETIMEDOUT)
            return err_vm_memory_target_wait_timeout(e, REF_TEXT(c->task));
        if (r < 0)
            return err_errno(e, r, "waiting for memory");
    }
}
