/* The messages about who belongs to the pool and who leads it. */
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/upgrade.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/follow.h"
#include "xapid/pool/host_certificates.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peer_calls.h"
#include "xapid/pool/take_over.h"
#include "xapid/reftext.h"
#include "xapid/vm/record.h"

enum {
    CATCH_UP_MS = 60 * 1000,
    SYNC_MS = 10 * 60 * 1000, /* large copies go to one member after another */
};

/* A host of the pool by what others know it by, for use over waits. */
struct other_host {
    struct ref ref;
    const char *uuid, *address;
};

static int find_other(struct call *c, struct ref ref, struct other_host *ret, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, ref, e);

    if (!host)
        return -1;
    *ret = (struct other_host){.ref = ref,
                               .uuid = talloc_strdup(c->mem, host->uuid),
                               .address = talloc_strdup(c->mem, text_of(host->address))};
    return 0;
}

static bool is_live(struct db *db, struct ref host)
{
    const struct host *row = db_host(db, host);
    const struct host_metrics *m = row ? db_host_metrics(db, row->metrics) : NULL;

    return m && m->live;
}

/* Is a guest of the pool there? */
static bool has_guests(struct db *db, struct ref host)
{
    const struct row *row = db_first_referrer(db, CLASS_VM, VM_F_RESIDENT_ON, host);

    for (; row; row = db_next_referrer(db, row, VM_F_RESIDENT_ON, host))
        if (!((const struct vm *)row)->is_control_domain)
            return true;
    return false;
}

/* Who belongs to the pool, and which guests count as ended, the next coordinator has to know. */
static int co_decide(struct call *c, struct txn *t, struct err *e)
{
    if (db_commit(t, e) < 0)
        return -1;
    co_record_durable(c->x);
    return 0;
}

static int co_drop_host(struct call *c, struct ref host, struct err *e)
{
    struct txn *t = db_begin(c->db);

    drop_host_rows(t, host);
    host_certificates_distrust(t, c->x);
    if (co_decide(c, t, e) < 0)
        return -1;
    host_certificates_look();
    return 0;
}

/* ---- leaving ---- */

int co_pool_eject(struct call *c, const struct pool_eject_args *a, struct err *e)
{
    struct other_host host;

    if (find_other(c, a->host, &host, e) < 0)
        return -1;
    if (db_pool(c->db, c->x->pool)->ha_enabled)
        return err_ha_is_enabled(e);
    if (ref_equal(a->host, c->x->host))
        return err_operation_not_allowed(e, "The coordinator cannot be ejected from its pool");
    if (has_guests(c->db, a->host))
        return err_operation_not_allowed(e, "VM resident on host");
    if (co_peer_tell_leave(c->x, host.address, host.uuid, e) < 0) {
        log_warning("host %s was not ejected: %s", host.uuid, e->n_params > 0 ? e->params[0] : e->code);
        err_clear(e);
        return err_host_offline(e, REF_TEXT(a->host));
    }
    leader_drop(a->host);
    return co_drop_host(c, a->host, e);
}

int co_host_destroy(struct call *c, const struct host_destroy_args *a, struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    if (ref_equal(a->self, c->x->host))
        return err_host_cannot_destroy_self(e, REF_TEXT(a->self));
    if (is_live(c->db, a->self))
        return err_host_is_live(e, REF_TEXT(a->self));
    if (has_guests(c->db, a->self))
        return err_host_has_resident_vms(e, REF_TEXT(a->self));
    return co_drop_host(c, a->self, e);
}

/* Whoever says so takes care that the host is off: its guests count as ended and may start elsewhere. */
int co_host_declare_dead(struct call *c, const struct host_declare_dead_args *a, struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    if (is_live(c->db, a->host))
        return err_host_is_live(e, REF_TEXT(a->host));
    const struct set *vms = db_referrers(c->db, c->mem, CLASS_VM, VM_F_RESIDENT_ON, a->host);
    struct txn *t = db_begin(c->db);
    for (uint32_t i = 0; i < set_count(vms); i++) {
        const struct vm *vm = db_vm(c->db, vms->v[i].r);
        if (!vm->is_control_domain)
            vm_record_stopped(t, vm);
    }
    return co_decide(c, t, e);
}

/* ---- who leads ---- */

/* Nothing is written here any more until the other host has it all and leads. */
static int co_hand_over(struct call *c, const struct other_host *to, struct err *e)
{
    uint64_t term;
    int r = co_leader_wait(to->ref, db_generation(c->db), clock_in_ms(CATCH_UP_MS));

    if (r < 0)
        return err_host_offline(e, REF_TEXT(to->ref));
    if (co_peer_tell_lead(c->x, to->address, to->uuid, &term, e) < 0)
        return -1;
    return change_role_to_member(c->x, to->address, term, e);
}

/* Than this host, which then could not follow it. */
static bool somebody_is_newer(struct db *db, struct ref than)
{
    DB_FOREACH_HOST (db, host)
        if (upgrade_host_is_newer(host, db_host(db, than)))
            return true;
    return false;
}

int co_pool_designate_new_master(struct call *c, const struct pool_designate_new_master_args *a,
                                 struct err *e)
{
    struct other_host host;

    if (find_other(c, a->host, &host, e) < 0)
        return -1;
    if (ref_equal(a->host, c->x->host))
        return 0;
    if (db_pool(c->db, c->x->pool)->ha_enabled)
        return err_ha_is_enabled(e);
    if (somebody_is_newer(c->db, a->host))
        return err_not_supported_during_upgrade(e);
    c->x->restarting = true;
    int r = co_hand_over(c, &host, e);
    c->x->restarting = r == 0;
    return r;
}

int co_pool_emergency_transition_to_master(struct call *c,
                                           const struct pool_emergency_transition_to_master_args *a,
                                           struct err *e)
{
    if (!c->x->membership.member || (follow_is_connected() && !follow_is_cut_off()))
        return err_not_in_emergency_mode(e);
    return change_role_to_coordinator(c->x, e);
}

/* Whoever is there may be in a later term. */
int co_pool_emergency_reset_master(struct call *c, const struct pool_emergency_reset_master_args *a,
                                   struct err *e)
{
    CLEANUP_ERR struct err unreachable = {0};
    struct peer_place place = {0};

    if (strcmp(a->master_address, c->x->address) == 0)
        return err_host_its_own_slave(e);
    if (!membership_is_address(a->master_address))
        return err_invalid_ip_address_specified(e, "master_address");
    if (!c->x->membership.member && db_count(c->db, CLASS_HOST) == 1)
        return err_operation_not_allowed(e, "This host is a pool of its own, which no other host can lead");
    if (co_peer_ask_place(c->x, a->master_address, &place, &unreachable) < 0)
        log_warning("%s", unreachable.params[0]);
    uint64_t own = c->x->membership.term;
    return change_role_to_member(c->x, a->master_address, place.term > own ? place.term : own, e);
}

/* Hosts that are not connected to this one, which leads. */
static const struct set *stray_hosts(struct call *c)
{
    const struct set *stray = NULL;

    DB_FOREACH_HOST (c->db, host)
        if (!ref_equal(host->row.ref, c->x->host) && !leader_hears(host->row.ref))
            stray = set_with_ref(c->mem, stray, host->row.ref);
    return stray;
}

static bool co_recover(struct call *c, struct ref ref)
{
    CLEANUP_ERR struct err e = {0};
    struct other_host host;

    if (find_other(c, ref, &host, &e) == 0 &&
        co_peer_tell_follow(c->x, host.address, host.uuid, c->x->address, c->x->membership.term, &e) == 0)
        return true;
    log_warning("a host was not recovered: %s", e.n_params > 0 ? e.params[0] : e.code);
    return false;
}

int co_pool_recover_slaves(struct call *c, const struct pool_recover_slaves_args *a, union value *ret,
                           struct err *e)
{
    const struct set *stray = stray_hosts(c), *recovered = NULL;

    for (uint32_t i = 0; i < set_count(stray); i++)
        if (co_recover(c, stray->v[i].r))
            recovered = set_with_ref(c->mem, recovered, stray->v[i].r);
    ret->set = recovered;
    return 0;
}

int co_host_is_in_emergency_mode(struct call *c, const struct host_is_in_emergency_mode_args *a,
                                 union value *ret, struct err *e)
{
    ret->b = c->x->membership.member && follow_is_cut_off();
    return 0;
}

/* Copies that are there have everything, too. */
struct sync_point {
    const struct set *hosts;
    void *mem;
};

static void add_follower(const struct leader_follower *f, void *arg)
{
    struct sync_point *s = arg;

    s->hosts = set_with_ref(s->mem, s->hosts, f->host);
}

int co_pool_sync_database(struct call *c, const struct pool_sync_database_args *a, struct err *e)
{
    struct sync_point s = {.mem = c->mem};
    uint64_t generation = db_generation(c->db);

    leader_foreach(add_follower, &s);
    for (uint32_t i = 0; i < set_count(s.hosts); i++)
        if (co_leader_wait(s.hosts->v[i].r, generation, clock_in_ms(SYNC_MS)) < 0)
            return err_host_offline(e, REF_TEXT(s.hosts->v[i].r));
    return 0;
}
