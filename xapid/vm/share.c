#include "xapid/vm/share.h"
#include <stdio.h>
#include <string.h>
#include "xapid/reftext.h"
#include "xapid/vm/balloon.h"
#include "xapid/vm/vm.h"

#define MIB ((int64_t)1 << 20)

int64_t vm_memory_overhead(const struct vm *vm)
{
    /* What QEMU itself takes, and its page tables: 1/128 of the guest's memory. */
    return 32 * MIB + vm->VCPUs_max * MIB + vm->memory_static_max / 128;
}

/* ---- one VM ---- */

int64_t vm_memory_given(const struct vm *vm)
{
    bool fits = vm->memory_target > 0 && vm->memory_target >= vm->memory_dynamic_min &&
                vm->memory_target <= vm->memory_dynamic_max;

    return fits ? vm->memory_target : vm->memory_dynamic_max;
}

/* Of what it has above memory_dynamic_max nothing is known: until its balloon driver is there, that is all
 * that it was started with, of which it has touched little. */
int64_t vm_memory_held(struct db *db, const struct vm *vm)
{
    const struct vm_metrics *metrics = vm_is_up(vm) ? db_vm_metrics(db, vm->metrics) : NULL;
    int64_t given = vm_memory_given(vm), actual = metrics ? metrics->memory_actual : 0;

    if (actual > vm->memory_dynamic_max)
        actual = vm->memory_dynamic_max;
    return actual - given >= MIB ? actual : given;
}

/* Of a guest that comes from another pool nothing is known but its limits. */
static bool may_begin_with_less(const struct vm *vm)
{
    return vm->power_state == VM_POWER_STATE_HALTED && !text_of(vm->crossing)[0];
}

int64_t vm_memory_needed(struct db *db, const struct vm *vm)
{
    int64_t memory = may_begin_with_less(vm) ? vm->memory_dynamic_min : vm_memory_held(db, vm);

    return memory + vm_memory_overhead(vm);
}

/* Can its guest be shrunk? One that stands still cannot do it, nor one that was seen not to. */
static bool is_elastic(const struct vm *vm)
{
    return vm->power_state == VM_POWER_STATE_RUNNING && vm->memory_dynamic_min < vm->memory_dynamic_max &&
           !balloon_is_stuck(vm);
}

static int64_t in_range(const struct vm *vm, double share)
{
    int64_t range = vm->memory_dynamic_max - vm->memory_dynamic_min;

    if (share >= 1)
        return vm->memory_dynamic_max;
    return vm->memory_dynamic_min + ((int64_t)((double)range * share) & ~(MIB - 1));
}

int64_t vm_memory_due(struct db *db, const struct vm *vm, double share)
{
    if (vm->power_state == VM_POWER_STATE_HALTED)
        return may_begin_with_less(vm) ? in_range(vm, share) : vm_memory_given(vm);
    return is_elastic(vm) ? in_range(vm, share) : vm_memory_held(db, vm);
}

/* ---- one host ---- */

struct sums {
    int64_t total;              /* for guests */
    int64_t fixed;              /* what cannot be had back */
    int64_t least, held, range; /* of the guests that can be shrunk */
};

static void add_guest(struct sums *s, struct db *db, const struct vm *vm)
{
    s->fixed += vm_memory_overhead(vm);
    if (!is_elastic(vm)) {
        s->fixed += vm_memory_held(db, vm);
        return;
    }
    s->least += vm->memory_dynamic_min;
    s->held += vm_memory_held(db, vm);
    s->range += vm->memory_dynamic_max - vm->memory_dynamic_min;
}

static SLIST_HEAD(, memory_promise) promises = SLIST_HEAD_INITIALIZER(promises);

void host_memory_promise(struct memory_promise *p, struct ref host, int64_t bytes)
{
    p->host = host;
    p->bytes = bytes > 0 ? bytes : 0;
    SLIST_INSERT_HEAD(&promises, p, link);
}

void host_memory_release(struct memory_promise *p)
{
    SLIST_REMOVE(&promises, p, memory_promise, link);
}

static struct sums add_up(struct db *db, struct ref host, const struct vm *but)
{
    const struct host *row = db_host(db, host);
    const struct host_metrics *metrics = row ? db_host_metrics(db, row->metrics) : NULL;
    struct sums s = {.total = metrics ? metrics->memory_total - row->memory_overhead : 0};
    const struct memory_promise *p;

    SLIST_FOREACH (p, &promises, link)
        if (ref_equal(p->host, host))
            s.fixed += p->bytes;
    FOREACH_REFERRER (db, vm, other, VM, RESIDENT_ON, host)
        if (!other->is_control_domain && other != but)
            add_guest(&s, db, other);
    FOREACH_REFERRER (db, vm, other, VM, SCHEDULED_TO_BE_RESIDENT_ON, host)
        if (!ref_equal(other->resident_on, host) && other != but)
            s.fixed += vm_memory_held(db, other) + vm_memory_overhead(other);
    return s;
}

int64_t host_free_memory(struct db *db, struct ref host, const struct vm *but)
{
    struct sums s = add_up(db, host, but);
    int64_t free = s.total - s.fixed - s.least;

    return free > 0 ? free : 0;
}

int64_t host_idle_memory(struct db *db, struct ref host, const struct vm *but)
{
    struct sums s = add_up(db, host, but);

    return s.total - s.fixed - s.held;
}

double host_memory_share(struct db *db, struct ref host, const struct vm *more)
{
    struct sums s = add_up(db, host, more);

    if (more && may_begin_with_less(more)) {
        s.fixed += vm_memory_overhead(more);
        s.least += more->memory_dynamic_min;
        s.range += more->memory_dynamic_max - more->memory_dynamic_min;
    } else if (more) {
        s.fixed += vm_memory_held(db, more) + vm_memory_overhead(more);
    }
    int64_t free = s.total - s.fixed - s.least;
    if (free >= s.range)
        return 1;
    return free > 0 ? (double)free / (double)s.range : 0;
}

int memory_refuse(int64_t needed, int64_t available, struct err *e)
{
    char a[24], b[24];

    snprintf(a, sizeof a, "%lld", (long long)needed);
    snprintf(b, sizeof b, "%lld", (long long)(available > 0 ? available : 0));
    return err_host_not_enough_free_memory(e, a, b);
}
