/* host.evacuate and what can be asked of it beforehand: all guests of a host go to others. */
#include <stdio.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/vm/move.h"
#include "xapid/vm/placement.h"

/* Where the VM could go; why not, when it can not. */
static int find_refuge(struct call *c, const struct vm *vm, struct ref *ret, struct err *e)
{
    if (op_check(c->db, &vm->row, VM_OPERATIONS_POOL_MIGRATE, e) < 0)
        return -1;
    return placement_choose_other(c->x, vm, ret, e);
}

static const struct set *error_as_set(void *mem, const struct err *e)
{
    struct set *set = talloc_zero_size(mem, sizeof *set + (e->n_params + 1) * sizeof set->v[0]);

    set->v[set->n++].s = talloc_strdup(mem, e->code);
    for (unsigned i = 0; i < e->n_params; i++)
        set->v[set->n++].s = talloc_strdup(mem, e->params[i]);
    return set;
}

int co_host_get_vms_which_prevent_evacuation(struct call *c,
                                             const struct host_get_vms_which_prevent_evacuation_args *a,
                                             union value *ret, struct err *e)
{
    struct map *map = talloc_zero_size(c->mem, sizeof *map + db_count(c->db, CLASS_VM) * sizeof map->e[0]);

    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    FOREACH_REFERRER (c->db, vm, vm, VM, RESIDENT_ON, a->self) {
        CLEANUP_ERR struct err why = {0};
        struct ref refuge;
        if (!vm->is_control_domain && find_refuge(c, vm, &refuge, &why) < 0)
            map->e[map->n++] = (struct map_entry){.k.r = vm->row.ref, .v.set = error_as_set(c->mem, &why)};
    }
    map_sort(c->message->result, map);
    ret->map = map;
    return 0;
}

/* "CODE,parameter,…" of each VM that cannot leave, joined by bars. */
static int check_can_evacuate(struct call *c, struct ref host, struct err *e)
{
    char *reasons = NULL;

    FOREACH_REFERRER (c->db, vm, vm, VM, RESIDENT_ON, host) {
        CLEANUP_ERR struct err why = {0};
        struct ref refuge;
        if (vm->is_control_domain || find_refuge(c, vm, &refuge, &why) == 0)
            continue;
        reasons = talloc_asprintf(c->mem, "%s%s%s", reasons ? reasons : "", reasons ? "|" : "", why.code);
        if (why.n_params == 0)
            reasons = talloc_asprintf(c->mem, "%s,%s", reasons, REF_TEXT(vm->row.ref));
        for (unsigned i = 0; i < why.n_params; i++)
            reasons = talloc_asprintf(c->mem, "%s,%s", reasons, why.params[i]);
    }
    return reasons ? err_cannot_evacuate_host(e, reasons) : 0;
}

int co_host_assert_can_evacuate(struct call *c, const struct host_assert_can_evacuate_args *a, struct err *e)
{
    return call_row(c, CLASS_HOST, a->host, e) ? check_can_evacuate(c, a->host, e) : -1;
}

/* The guest may have ended, or left, since the list was made. */
static int co_send_away(struct call *c, struct ref ref, const struct host_evacuate_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    const struct vm *vm = db_vm(c->db, ref);
    struct vm_move move = {.vm = ref, .network = a->network};

    if (!vm || !ref_equal(vm->resident_on, a->host) ||
        co_op_begin(c, CLASS_VM, ref, VM_OPERATIONS_POOL_MIGRATE, &op, e) < 0)
        return vm && ref_equal(vm->resident_on, a->host) ? -1 : 0;
    if (placement_choose_other(c->x, db_vm(c->db, ref), &move.host, e) < 0)
        return -1;
    return co_vm_move(c, &move, e);
}

/* ---- several at a time ---- */

/* A host is asked only so many things at once (pool/remote.c), and a guest that stands still must not wait
 * for others to be copied. */
enum { AT_ONCE_MAX = 12 };

struct evacuation {
    struct call *c;
    const struct host_evacuate_args *a;
    const struct set *vms;
    uint32_t next, done; /* of the VMs: to be looked at, seen to */
    struct err first;    /* what went wrong first: then no more are begun */
};

/* Takes one VM after the other. Each finds room by the reservations of those before it. */
static void co_work(void *arg)
{
    struct evacuation *v = arg;
    struct call c = *v->c;

    c.has_task = false; /* the progress is the evacuation's */
    while (v->next < v->vms->n && !err_is_set(&v->first) && !fiber_cancelled(fiber_self())) {
        CLEANUP_ERR struct err e = {0};
        struct ref ref = v->vms->v[v->next++].r;
        const struct vm *vm = db_vm(c.db, ref);
        if (vm && !vm->is_control_domain && co_send_away(&c, ref, v->a, &e) < 0 && !err_is_set(&v->first))
            err_move(&v->first, &e);
        call_progress(v->c, (double)++v->done / v->vms->n);
    }
}

/* All of them end; cancelled they do what a single move would. */
static void co_join(struct fiber *const *workers, unsigned n)
{
    bool cancelled = false;

    for (unsigned i = 0; i < n; i++) {
        if (!cancelled && co_fiber_join(workers[i], CLOCK_NEVER) == 0)
            continue;
        if (!cancelled)
            for (unsigned other = i; other < n; other++)
                fiber_cancel(workers[other]);
        cancelled = true;
        fiber_mask_cancel();
        (void)co_fiber_join(workers[i], CLOCK_NEVER);
        fiber_unmask_cancel();
    }
}

static int co_evacuate_all(struct evacuation *v, unsigned at_once, struct err *e)
{
    struct fiber *workers[AT_ONCE_MAX];

    for (unsigned i = 0; i < at_once; i++)
        workers[i] = fiber_ref(fiber_spawn("evacuation", co_work, v));
    co_join(workers, at_once);
    for (unsigned i = 0; i < at_once; i++)
        fiber_unref(workers[i]);
    if (!err_is_set(&v->first) && v->done < v->vms->n)
        return err_task_cancelled(e, REF_TEXT(v->c->task));
    err_move(e, &v->first);
    return err_is_set(e) ? -1 : 0;
}

static int batch_size(struct call *c, int64_t wanted, unsigned *ret, struct err *e)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)wanted);
    if (wanted < 0)
        return err_invalid_value(e, "evacuate_batch_size", text);
    if (wanted == 0)
        wanted = c->x->options.evacuation_batch_size;
    *ret = wanted < 1 ? 1 : wanted < AT_ONCE_MAX ? (unsigned)wanted : AT_ONCE_MAX;
    return 0;
}

int co_host_evacuate(struct call *c, const struct host_evacuate_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct evacuation v = {.c = c, .a = a};
    unsigned at_once = 1;

    if (batch_size(c, a->evacuate_batch_size, &at_once, e) < 0 ||
        (!ref_is_null(a->network) && !call_row(c, CLASS_NETWORK, a->network, e)) ||
        co_op_begin(c, CLASS_HOST, a->host, HOST_ALLOWED_OPERATIONS_EVACUATE, &op, e) < 0 ||
        check_can_evacuate(c, a->host, e) < 0)
        return -1;
    v.vms = db_referrers(c->db, c->mem, CLASS_VM, VM_F_RESIDENT_ON, a->host);
    return set_count(v.vms) > 0 ? co_evacuate_all(&v, at_once, e) : 0;
}

int co_host_get_uncooperative_resident_vms(struct call *c,
                                           const struct host_get_uncooperative_resident_vms_args *a,
                                           union value *ret, struct err *e)
{
    return call_row(c, CLASS_HOST, a->self, e) ? 0 : -1;
}
