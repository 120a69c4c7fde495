#include "xapid/vm/squeeze.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/vm/balloon.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/share.h"

#define NEAR ((int64_t)1 << 20) /* bytes more that are not worth telling a guest of */
#define QUIET_MS 10000          /* in which no guest gives anything back: none will */
#define WAIT_MS 60000
#define AGAIN_MS 1000 /* until a guest is looked at again that was busy, or could not be told */
#define TRIES 5       /* to tell guests, none of which hears it */

/* ---- who looks at a host ---- */

struct place {
    struct ref host;
    bool looking, again, anew;
    SLIST_ENTRY(place) link;
};

static SLIST_HEAD(, place) places = SLIST_HEAD_INITIALIZER(places);
static struct xapid *leader;

void squeeze_begin(struct xapid *x)
{
    leader = x;
}

static struct place *place_of(struct ref host)
{
    struct place *p;

    SLIST_FOREACH (p, &places, link)
        if (ref_equal(p->host, host))
            return p;
    p = mem_zalloc(sizeof *p);
    p->host = host;
    SLIST_INSERT_HEAD(&places, p, link);
    return p;
}

/* ---- telling the guests ---- */

static int record_target(struct xapid *x, struct ref ref, int64_t domid, int64_t target, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (!vm || vm->domid != domid)
        return 0;
    struct txn *t = db_begin(x->db);
    vm_set_memory_target(t, vm, target);
    if (db_commit(t, e) < 0)
        return -1;
    balloon_target_changed();
    return 0;
}

static bool co_tell(struct xapid *x, const struct vm *vm, int64_t target)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const char *uuid = talloc_strdup(mem, vm->uuid);
    struct ref ref = vm->row.ref;
    int64_t domid = vm->domid;
    struct agent *agent = vm_agent(x, ref, &e);

    if (!agent || co_agent_vm_set_memory(agent, uuid, target, &e) < 0 ||
        record_target(x, ref, domid, target, &e) < 0)
        log_warning("VM %s is not told what memory it may have: %s", uuid, e.code);
    return !err_is_set(&e);
}

/* What it may be told now: memory that others still hold is given when they have given it back. */
static int64_t target_now(struct xapid *x, const struct vm *vm)
{
    int64_t due = vm_memory_due(x->db, vm, host_memory_share(x->db, vm->resident_on, NULL));
    int64_t held = vm_memory_held(x->db, vm), idle = host_idle_memory(x->db, vm->resident_on, NULL);

    return due <= held || due - held <= idle ? due : vm->memory_target;
}

enum outcome { DONE, BUSY, FAILED };

static enum outcome co_look_at_guest(struct xapid *x, struct ref ref, struct ref host, bool anew)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (!vm || vm->power_state != VM_POWER_STATE_RUNNING || !ref_equal(vm->resident_on, host) ||
        vm->is_control_domain || vm->memory_dynamic_min == vm->memory_dynamic_max)
        return DONE;
    int64_t target = target_now(x, vm), more = target - vm->memory_target;
    bool differs = more < 0 || more >= NEAR;
    if (!anew && !differs)
        return DONE;
    if (differs && map_count(vm->current_operations) > 0)
        return BUSY;
    return co_tell(x, vm, target) ? DONE : FAILED;
}

/* The worst of it. */
static enum outcome co_look_at_host(struct xapid *x, struct ref host, bool anew)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vms = db_referrers(x->db, mem, CLASS_VM, VM_F_RESIDENT_ON, host);
    enum outcome worst = DONE;

    for (uint32_t i = 0; i < set_count(vms) && host_is_reachable(x, host); i++) {
        enum outcome o = co_look_at_guest(x, vms->v[i].r, host, anew);
        worst = o > worst ? o : worst;
    }
    return worst;
}

static void co_looking(void *arg)
{
    struct place *p = arg;
    unsigned tries = 0;

    while (p->again) {
        bool anew = p->anew;
        p->again = p->anew = false;
        enum outcome o = co_look_at_host(leader, p->host, anew);
        tries = o == FAILED ? tries + 1 : 0;
        if (o == DONE || tries == TRIES || p->again)
            continue;
        p->again = co_sleep_until(clock_in_ms(AGAIN_MS), "guests that are busy") == 0;
        p->anew = p->anew || (o == FAILED && anew);
    }
    p->looking = false;
}

static void look(struct ref host, bool anew)
{
    if (!leader || ref_is_null(host))
        return;
    struct place *p = place_of(host);
    p->again = true;
    p->anew = p->anew || anew;
    if (!p->looking)
        fiber_spawn("squeeze", co_looking, p);
    p->looking = true;
}

void squeeze_look(struct ref host)
{
    look(host, false);
}

void squeeze_look_anew(struct ref host)
{
    look(host, true);
}

/* ---- making room ---- */

/* Those that were told and have not followed. */
static void mark_stuck(struct xapid *x, struct ref host)
{
    FOREACH_REFERRER (x->db, vm, vm, VM, RESIDENT_ON, host)
        if (!vm->is_control_domain && vm->power_state == VM_POWER_STATE_RUNNING &&
            vm_memory_held(x->db, vm) - vm->memory_target >= NEAR)
            balloon_mark_stuck(x->db, vm);
}

/* No more is given back: the VM begins with what there is, if that is enough. */
static int settle(struct call *c, const struct vm *vm, struct ref host, struct err *e)
{
    int64_t needed = vm_memory_needed(c->db, vm), idle = host_idle_memory(c->db, host, vm);

    mark_stuck(c->x, host);
    squeeze_look(host);
    if (idle < needed)
        return memory_refuse(needed, idle, e);
    int64_t left = idle - vm_memory_overhead(vm);
    if (left >= vm_memory_given(vm))
        return 0;
    struct txn *t = db_begin(c->db);
    vm_set_memory_target(t, vm, left);
    return db_commit(t, e);
}

int co_squeeze_make_room(struct call *c, struct ref ref, struct ref host, struct err *e)
{
    int64_t deadline = clock_in_ms(WAIT_MS), quiet = clock_in_ms(QUIET_MS), most = INT64_MIN;

    for (;;) {
        const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
        if (!vm)
            return -1;
        int64_t idle = host_idle_memory(c->db, host, NULL);
        if (idle >= 0)
            return 0;
        if (idle > most)
            quiet = clock_in_ms(QUIET_MS);
        most = idle > most ? idle : most;
        squeeze_look(host);
        int64_t soon = clock_in_ms(AGAIN_MS), end = quiet < deadline ? quiet : deadline;
        int r = co_cond_wait(balloon_moved(), soon < end ? soon : end, "memory for %s", vm->uuid);
        if (r == -ETIMEDOUT && clock_now() >= end)
            return (vm = (const struct vm *)call_row(c, CLASS_VM, ref, e)) ? settle(c, vm, host, e) : -1;
        if (r < 0 && r != -ETIMEDOUT)
            return err_errno(e, r, "waiting for memory");
    }
}
