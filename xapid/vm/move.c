/*
 * A running guest moves in steps that the agents of both hosts take in turn (hv/hv.h). The record of it is
 * the decision: made durable, at a member too, while the guest stands still, it says which of the two hosts
 * has the guest. Before it everything is taken back; from then on it goes forward, unless the guest comes to
 * nothing at the destination before it has run there: then a second record takes it back. What either host
 * keeps of a passage while it is out of reach is settled by the same rule when it is back
 * (xapid/host/adopt.c): the guest is where the VM is resident, and any other is ended.
 */
#include "xapid/vm/move.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/host/host_agent.h"
#include "xapid/host/upgrade.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/move_disks.h"
#include "xapid/vm/move_options.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/record.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/squeeze.h"
#include "xapid/vm/stop.h"
#include "xapid/vm/vm.h"

/* ---- may it? ---- */

/* Dotted numbers: below 0 when a is the older. */
static int compare_versions(const char *a, const char *b)
{
    while (*a && *b) {
        char *rest_a, *rest_b;
        long x = strtol(a, &rest_a, 10), y = strtol(b, &rest_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        a = *rest_a == '.' ? rest_a + 1 : "";
        b = *rest_b == '.' ? rest_b + 1 : "";
    }
    return 0;
}

/* A hypervisor takes guests of its own and older versions. */
bool move_version_fits(struct xapid *x, const char *version, struct ref host)
{
    const struct host *destination = db_host(x->db, host);
    const char *newer = destination ? map_get(destination->software_version, "hypervisor_version") : NULL;

    return !newer || compare_versions(newer, version) >= 0;
}

/* So does a toolstack, which describes the guest to the other one. */
int move_check_versions(struct xapid *x, const struct vm *vm, struct ref to, struct err *e)
{
    const struct host *source = db_host(x->db, vm->resident_on), *destination = db_host(x->db, to);
    const char *version = source ? map_get(source->software_version, "hypervisor_version") : NULL;
    bool older = source && destination && upgrade_host_is_newer(source, destination);

    return !older && (!version || move_version_fits(x, version, to))
               ? 0
               : err_vm_host_incompatible_version_migrate(e, REF_TEXT(to), REF_TEXT(vm->row.ref));
}

const char *move_address(struct xapid *x, struct ref ref, struct ref network, struct err *e)
{
    const struct host *host = db_host(x->db, ref);
    const struct pif *found = NULL;

    if (ref_is_null(network))
        return host->address;
    FOREACH_REFERRER (x->db, pif, pif, PIF, HOST, ref)
        if (ref_equal(pif->network, network))
            found = pif;
    if (!found)
        err_host_cannot_attach_network(e, REF_TEXT(ref), REF_TEXT(network));
    else if (text_of(found->IP)[0])
        return found->IP;
    else if (set_count(found->IPv6) > 0)
        return found->IPv6->v[0].s;
    else
        err_interface_has_no_ip(e, REF_TEXT(found->row.ref));
    return NULL;
}

/* What a guest that is up needs there. */
static int check_guest(struct xapid *x, const struct vm *vm, const struct vm_move *m, struct err *e)
{
    struct hv_passage_options options;

    if (move_options_read(m->options, &options, e) < 0 ||
        placement_check_without_storage(x, vm, m->host, e) < 0 || move_check_versions(x, vm, m->host, e) < 0)
        return -1;
    return move_address(x, m->host, m->network, e) ? 0 : -1;
}

static int plan(struct xapid *x, void *ctx, const struct vm_move *m, struct moving_disks *disks,
                struct err *e)
{
    const struct vm *vm = db_vm(x->db, m->vm);

    if (!vm)
        return err_handle_invalid(e, "VM", REF_TEXT(m->vm));
    if (!db_host(x->db, m->host))
        return err_handle_invalid(e, "host", REF_TEXT(m->host));
    if (vm_is_up(vm) && !ref_equal(vm->resident_on, m->host) && check_guest(x, vm, m, e) < 0)
        return -1;
    return move_disks_plan(x, ctx, vm, m->host, m->disks, disks, e);
}

int vm_move_check(struct xapid *x, void *ctx, const struct vm_move *m, struct err *e)
{
    struct moving_disks disks;
    const struct vm *vm = db_vm(x->db, m->vm);

    if (plan(x, ctx, m, &disks, e) < 0)
        return -1;
    if (disks.n > 0 && vm_is_up(vm) && ref_equal(vm->resident_on, m->host))
        return err_operation_not_allowed(e,
                                         "Disks of a guest that is up can only go to another host with it");
    return 0;
}

/* ---- the passage ---- */

struct moving {
    struct call *c;
    const struct vm_move *m;
    char uuid[UUID_TEXT_SIZE];
    struct ref source;
    struct agent *from, *to;
    struct moving_disks disks;
    struct hv_passage passage;
    struct hv_reception reception;
};

/* One end of a passage, for undo steps. */
struct end {
    struct xapid *x;
    struct ref host;
    char uuid[UUID_TEXT_SIZE];
};

static int co_end_arrival(void *arg)
{
    const struct end *d = arg;
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = host_agent(d->x, d->host, &e);

    return !agent || co_agent_vm_stop(agent, d->uuid, &e) < 0 ? -EIO : 0;
}

static int co_stay(void *arg)
{
    const struct end *s = arg;
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = host_agent(s->x, s->host, &e);

    return !agent || co_agent_vm_move_cancel(agent, s->uuid, &e) < 0 ? -EIO : 0;
}

/* The way back: what arrives is ended first, then the guest goes on where it was. */
static void push_way_back(struct moving *v, struct undo *u)
{
    struct end end = {.x = v->c->x, .host = v->source};

    memcpy(end.uuid, v->uuid, sizeof end.uuid);
    undo_push(u, "let the guest stay", co_stay, &end, sizeof end);
    end.host = v->m->host;
    undo_push(u, "end the guest that arrives", co_end_arrival, &end, sizeof end);
}

/* The specification for the destination: the guest's devices as they are, on the disks that they go to. */
static int describe(struct moving *v, struct agent_vm_spec *spec, struct err *e)
{
    struct call *c = v->c;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, v->m->vm, e);
    struct vm_other_disk *disks = talloc_zero_array(c->mem, struct vm_other_disk, v->disks.n + 1);

    if (!vm)
        return -1;
    for (unsigned i = 0; i < v->disks.n; i++)
        disks[i] = (struct vm_other_disk){
            .vbd = v->disks.v[i].vbd, .sr = v->disks.v[i].to.sm, .location = v->disks.v[i].sm.location};
    struct vm_start_options o = {.paused = vm->power_state == VM_POWER_STATE_PAUSED,
                                 .only_attached = true,
                                 .others = disks,
                                 .n_others = v->disks.n};
    return vm_build_spec(c->x, c->mem, vm, v->m->host, &o, spec, e);
}

static int describe_passage(struct moving *v, struct err *e)
{
    struct call *c = v->c;
    const struct host *source = db_host(c->db, v->source), *destination = db_host(c->db, v->m->host);
    const char *address = move_address(c->x, v->m->host, v->m->network, e);
    unsigned *mirrors = talloc_zero_array(c->mem, unsigned, v->disks.n + 1);

    if (!address || move_options_read(v->m->options, &v->passage.options, e) < 0)
        return -1;
    v->passage.n_mirrors = 0;
    for (unsigned i = 0; i < v->disks.n; i++)
        if (v->disks.v[i].mirrored)
            mirrors[v->passage.n_mirrors++] = v->disks.v[i].userdevice;
    memcpy(v->passage.source, source->uuid, sizeof v->passage.source);
    memcpy(v->passage.destination, destination->uuid, sizeof v->passage.destination);
    v->passage.address = talloc_strdup(c->mem, address);
    v->passage.mirrors = mirrors;
    return 0;
}

static void show_progress(double done, void *arg)
{
    call_progress(arg, 0.05 + 0.85 * done);
}

static int co_receive(struct moving *v, struct err *e)
{
    struct agent_vm_spec spec;

    if (describe(v, &spec, e) < 0 || describe_passage(v, e) < 0 ||
        co_agent_vm_shape(v->from, v->uuid, v->c->mem, &spec.vm.shape, e) < 0 ||
        co_agent_vm_receive(v->to, &spec, &v->passage, &v->reception, e) < 0)
        return -1;
    v->passage.memory_port = v->reception.memory_port;
    v->passage.disk_port = v->reception.disk_port;
    return 0;
}

/* Up to where the guest is whole at the destination, and stands still at both ends. */
static int co_pass_over(struct moving *v, struct undo *u, struct err *e)
{
    if (co_move_disks_make(v->c, &v->disks, v->m->host, u, e) < 0)
        return -1;
    push_way_back(v, u);
    if (co_receive(v, e) < 0)
        return -1;
    return co_agent_vm_move_prepare(v->from, v->uuid, &v->passage, show_progress, v->c, e) < 0 ||
                   co_agent_vm_move_switch(v->to, v->uuid, e) < 0 ||
                   co_agent_vm_move_finish(v->from, v->uuid, e) < 0
               ? -1
               : 0;
}

/* ---- the decision, and what follows ---- */

static int record(struct moving *v, struct err *e)
{
    struct call *c = v->c;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, v->m->vm, e);

    if (!vm)
        return -1;
    move_disks_keep(c->mem, &v->disks);
    struct txn *t = db_begin(c->db);
    vm_record_moved(t, c->x, vm, v->m->host, v->reception.facts.domid);
    move_disks_record(t, &v->disks);
    vm_post_message(t, vm, "VM_MIGRATED");
    if (db_commit(t, e) < 0)
        return -1;
    move_disks_recorded(&v->disks);
    return 0;
}

static int record_return(struct moving *v, int64_t domid, struct err *e)
{
    struct call *c = v->c;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, v->m->vm, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_moved(t, c->x, vm, v->source, domid);
    move_disks_take_back(t, &v->disks);
    if (db_commit(t, e) < 0)
        return -1;
    move_disks_taken_back(&v->disks);
    return 0;
}

enum { ACCEPT_TRIES = 5, ACCEPT_RETRY_MS = 200 };

/* One attempt. */
static int co_try_accept(struct agent *to, const char *uuid, bool *ran, struct err *e)
{
    int rc = co_agent_vm_move_accept(to, uuid, e);

    if (rc < 0 && (agent_outcome_unknown(e) || err_is(e, "VM_HALTED")))
        *ran = true;
    return rc;
}

static bool is_gone(const struct err *e)
{
    return err_is(e, "VM_BAD_POWER_STATE") || err_is(e, "VM_HALTED");
}

int co_move_accept(struct agent *to, const char *uuid, bool *ret_ran, struct err *e)
{
    *ret_ran = false;
    int rc = co_try_accept(to, uuid, ret_ran, e);

    for (unsigned i = 1; rc < 0 && i < ACCEPT_TRIES && !is_gone(e); i++) {
        err_clear(e);
        co_sleep_until(clock_in_ms(ACCEPT_RETRY_MS), "another attempt to let VM %s run", uuid);
        rc = co_try_accept(to, uuid, ret_ran, e);
    }
    return rc;
}

/* The guest has come to nothing at the destination before it ran there, for certain, and the source still has
 * it whole, and its disks as they were. Not once its memory is on both hosts. */
static bool co_go_back(struct moving *v, int64_t domid, struct undo *u)
{
    CLEANUP_ERR struct err e = {0};

    if (v->passage.options.post_copy || co_agent_vm_stop(v->to, v->uuid, &e) < 0 ||
        record_return(v, domid, &e) < 0)
        return false;
    co_record_durable(v->c->x);
    co_undo_run(u);
    return true;
}

/* That it is gone is said of the destination's guest, and not to be taken for the one that goes on. */
static int fail_lost(const struct moving *v, struct err *e)
{
    if (!err_is(e, "VM_BAD_POWER_STATE"))
        return -1;
    err_clear(e);
    return err_vm_migrate_failed(e, v->uuid, v->passage.source, v->passage.destination,
                                 "the guest was lost at the destination before it ran there");
}

static void co_end_at_source(struct moving *v)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err second = {0};

    if (v->passage.options.post_copy && co_agent_vm_move_drain(v->from, v->uuid, NULL, NULL, &e) < 0)
        log_warning("the memory of VM %s: %s", v->uuid, err_text(v->c->mem, &e));
    if (co_agent_vm_stop(v->from, v->uuid, &second) < 0)
        log_warning("ending VM %s where it has left: %s", v->uuid, err_text(v->c->mem, &second));
}

static int co_settle_in(struct moving *v, int64_t old_domid, struct undo *u, struct err *e)
{
    bool ran;

    co_record_durable(v->c->x);
    int rc = co_move_accept(v->to, v->uuid, &ran, e);
    if (rc < 0 && !ran && co_go_back(v, old_domid, u))
        return fail_lost(v, e);
    undo_disarm(u);
    co_end_at_source(v);
    co_move_disks_bury(&v->disks);
    return rc;
}

/* The hypervisor names the VM and the hosts by uuid. */
static void name_in_error(struct moving *v, struct err *e)
{
    const struct ref hosts[] = {v->source, v->m->host};

    vm_name_in_error(v->c, v->m->vm, e);
    if (!err_is(e, "VM_MIGRATE_FAILED"))
        return;
    for (unsigned i = 0; i < 2 && i + 1 < e->n_params; i++) {
        free(e->params[i + 1]);
        e->params[i + 1] = mem_strdup(REF_TEXT(hosts[i]));
    }
}

static int co_move_guest(struct moving *v, struct err *e)
{
    int64_t domid = db_vm(v->c->db, v->m->vm)->domid;
    struct undo undo = {0};

    if (co_pass_over(v, &undo, e) < 0 || record(v, e) < 0) {
        co_undo_run(&undo);
        name_in_error(v, e);
        return -1;
    }
    fiber_mask_cancel();
    int rc = co_settle_in(v, domid, &undo, e);
    fiber_unmask_cancel();
    if (rc < 0)
        name_in_error(v, e);
    co_lifecycle_look_again(v->c->x, v->m->vm);
    return rc;
}

/* Its room at the destination is reserved. */
static int co_move_up(struct call *c, const struct vm_move *m, struct err *e)
{
    CLEANUP_OP struct op host_op = {0};
    struct moving v = {.c = c, .m = m};

    if (co_op_begin(c, CLASS_HOST, m->host, HOST_ALLOWED_OPERATIONS_VM_MIGRATE, &host_op, e) < 0 ||
        plan(c->x, c->mem, m, &v.disks, e) < 0)
        return -1;
    const struct vm *vm = db_vm(c->db, m->vm);
    memcpy(v.uuid, vm->uuid, sizeof v.uuid);
    v.source = vm->resident_on;
    v.from = vm_agent(c->x, m->vm, e);
    v.to = v.from ? host_agent(c->x, m->host, e) : NULL;
    int rc = v.to ? co_move_disks_hold(c, &v.disks, e) : -1;
    if (rc == 0)
        rc = co_move_guest(&v, e);
    move_disks_release(&v.disks);
    return rc;
}

/* ---- a VM that is down: its disks only ---- */

static int co_copy_and_record(struct call *c, const struct vm_move *m, struct moving_disks *d, struct undo *u,
                              struct err *e)
{
    if (co_move_disks_hold(c, d, e) < 0 || co_move_disks_copy(c, d, u, e) < 0 ||
        !call_row(c, CLASS_VM, m->vm, e))
        return -1;
    struct txn *t = db_begin(c->db);
    move_disks_record(t, d);
    if (db_commit(t, e) < 0)
        return -1;
    move_disks_recorded(d);
    return 0;
}

static int co_move_down(struct call *c, const struct vm_move *m, struct err *e)
{
    struct moving_disks disks = {0};
    struct undo undo = {0};

    if (plan(c->x, c->mem, m, &disks, e) < 0)
        return -1;
    int rc = co_copy_and_record(c, m, &disks, &undo, e);
    if (rc < 0) {
        co_undo_run(&undo);
    } else {
        undo_disarm(&undo);
        co_move_disks_bury(&disks);
    }
    move_disks_release(&disks);
    return rc;
}

int co_vm_move(struct call *c, const struct vm_move *m, struct err *e)
{
    if (vm_move_check(c->x, c->mem, m, e) < 0)
        return -1;
    const struct vm *vm = db_vm(c->db, m->vm);
    if (!vm_is_up(vm))
        return co_move_down(c, m, e);
    if (ref_equal(vm->resident_on, m->host))
        return 0;
    if (placement_reserve(c->x, m->vm, m->host, e) < 0)
        return -1;
    int rc = co_squeeze_make_room(c, m->vm, m->host, e);
    if (rc == 0)
        rc = co_move_up(c, m, e);
    placement_release(c->x, m->vm);
    return rc;
}
