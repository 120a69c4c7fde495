#include "xapid/pool/change_role.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/restore.h"
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peer_calls.h"
#include "xapid/pool/peers.h"
#include "xapid/reftext.h"

void change_role_restart(struct xapid *x)
{
    x->restarting = true; /* what is written from now on might be lost */
    kill(getpid(), SIGUSR2);
}

static int put_down(struct xapid *x, const struct membership *m, struct err *e)
{
    if (membership_write(x->options.state_dir, m, e) < 0)
        return -1;
    change_role_restart(x);
    return 0;
}

int change_role_note(struct xapid *x, const struct membership *m, struct err *e)
{
    if (membership_write(x->options.state_dir, m, e) < 0)
        return -1;
    x->membership = *m;
    x->peer_pool.term = (int64_t)m->term;
    return 0;
}

int change_role_to_coordinator(struct xapid *x, struct err *e)
{
    struct membership m = x->membership;

    m.member = false;
    m.coordinator[0] = '\0';
    m.term = membership_next_term(&m);
    log_info("this host leads the pool from term %" PRIu64 " on", m.term);
    return put_down(x, &m, e);
}

static void set_member(struct membership *m, const char *address, uint64_t term)
{
    m->member = true;
    m->term = term;
    snprintf(m->coordinator, sizeof m->coordinator, "%s", address);
}

int change_role_to_member(struct xapid *x, const char *address, uint64_t term, struct err *e)
{
    struct membership m = x->membership;

    set_member(&m, address, term);
    log_info("this host follows %s in term %" PRIu64, address, term);
    return put_down(x, &m, e);
}

int change_role_note_address(struct xapid *x, const char *address, struct err *e)
{
    struct membership m = x->membership;

    set_member(&m, address, m.term);
    log_info("the coordinator is %s now", address);
    return change_role_note(x, &m, e);
}

void change_role_heard_of(struct xapid *x, const char *address)
{
    CLEANUP_ERR struct err e = {0};

    if (strcmp(address, x->address) == 0)
        log_warning("the host at %s takes this one for the coordinator", x->membership.coordinator);
    else if (change_role_note_address(x, address, &e) < 0)
        log_error("%s", e.n_params > 0 ? e.params[0] : e.code);
}

/* ---- leaving ---- */

int change_role_leave(struct xapid *x, struct err *e)
{
    struct membership m = x->membership;

    m.leaving = true;
    log_info("this host leaves the pool");
    return put_down(x, &m, e);
}

/* Let the next opening of the database find an empty one; that of the pool is kept beside it. */
static int prepare_empty(struct xapid *x, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *path = talloc_asprintf(mem, "%s/xapid.db", x->options.state_dir),
               *empty = talloc_asprintf(mem, "%s.empty", path);
    struct db *db;

    if (db_open(NULL, &db, e) < 0)
        return -1;
    struct batch *nothing = restore_snapshot(db);
    int r = restore_write(empty, nothing, e);
    batch_free(nothing);
    db_close(db);
    return r < 0 ? -1 : restore_prepare_take(path, empty, 0, e);
}

int change_role_finish(struct xapid *x, struct err *e)
{
    if (!x->membership.leaving)
        return 0;
    if (prepare_empty(x, e) < 0 || membership_remove(x->options.state_dir, e) < 0)
        return -1;
    x->membership = (struct membership){0};
    return 0;
}

/* ---- coming back ---- */

static bool is_known_address(struct xapid *x, const char *address)
{
    DB_FOREACH_HOST (x->db, host)
        if (strcmp(text_of(host->address), address) == 0)
            return true;
    return false;
}

/* A term is one coordinator's: a member in this host's that names an address of nobody names one that this
 * host had.
 */
static bool is_left_behind(struct xapid *x, const struct peer_place *place)
{
    return x->peer_pool.term != 0 && !x->membership.member && place->member &&
           place->term == x->membership.term && !is_known_address(x, place->coordinator);
}

/* All are asked at once, for one that is off makes whoever asks wait. */
struct inquiry {
    struct xapid *x;
    char address[MEMBERSHIP_ADDRESS_SIZE];
    struct peer_place place; /* term 0: no answer */
    struct fiber *fiber;
};

static void co_ask(void *arg)
{
    struct inquiry *i = arg;
    CLEANUP_ERR struct err e = {0};

    if (co_peer_ask_place(i->x, i->address, &i->place, &e) == 0) {
        if (!is_left_behind(i->x, &i->place))
            return;
        log_info("the member at %s looks for this host at %s", i->address, i->place.coordinator);
        if (co_peer_tell_follow(i->x, i->address, NULL, i->x->address, i->place.term, &e) == 0)
            return;
    }
    log_debug("%s", e.n_params > 0 ? e.params[0] : e.code);
    i->place = (struct peer_place){0};
    if (!err_is(&e, "HOST_UNKNOWN_TO_MASTER"))
        return;
    log_warning("the pool has gone on without this host, at %s", i->address);
    i->place.term = i->x->membership.term + 1;
    strcpy(i->place.coordinator, i->address);
}

static struct inquiry *ask_others(struct xapid *x, void *mem, unsigned *ret_n)
{
    struct inquiry *all = talloc_zero_array(mem, struct inquiry, db_count(x->db, CLASS_HOST));
    unsigned n = 0;

    DB_FOREACH_HOST (x->db, host) {
        struct inquiry *i = &all[n];

        if (strcmp(host->uuid, x->membership.host) == 0)
            continue;
        i->x = x;
        snprintf(i->address, sizeof i->address, "%s", host->address);
        i->fiber = fiber_ref(fiber_spawn("ask", co_ask, i));
        n++;
    }
    *ret_n = n;
    return all;
}

/* What the others say. */
struct news {
    struct peer_place other; /* the latest term in which another host leads */
    uint64_t own;            /* the latest term of a host that takes this one for its coordinator */
};

static void hear(struct news *news, const struct xapid *x, const struct peer_place *said)
{
    if (strcmp(said->coordinator, x->address) == 0)
        news->own = said->term > news->own ? said->term : news->own;
    else if (said->coordinator[0] && said->term > news->other.term)
        news->other = *said;
}

static struct news co_ask_around(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct news news = {0};
    unsigned n;
    struct inquiry *all = ask_others(x, mem, &n);

    fiber_mask_cancel();
    for (unsigned i = 0; i < n; i++) {
        (void)co_fiber_join(all[i].fiber, CLOCK_NEVER);
        fiber_unref(all[i].fiber);
        hear(&news, x, &all[i].place);
    }
    fiber_unmask_cancel();
    return news;
}

/* A host has heard of a term that this one has not, whoever began it, and still looks to this one: it could
 * not serve it but in a later term. */
static int lead_on(struct xapid *x, uint64_t heard, struct err *e)
{
    struct membership m = x->membership;

    m.term = heard;
    m.term = membership_next_term(&m);
    log_info("a host is in term %" PRIu64 " already: this one leads from term %" PRIu64 " on", heard, m.term);
    return change_role_note(x, &m, e);
}

int co_change_role_look_around(struct xapid *x, struct err *e)
{
    struct news news = co_ask_around(x);
    struct membership m = x->membership;

    if (news.own > m.term && news.own > news.other.term)
        return lead_on(x, news.own, e);
    if (news.other.term <= m.term)
        return 0;
    log_info("%s leads the pool in term %" PRIu64 ": this host follows", news.other.coordinator,
             news.other.term);
    set_member(&m, news.other.coordinator, news.other.term);
    return change_role_note(x, &m, e);
}

void co_change_role_step_down(struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};

    if (co_change_role_look_around(x, &e) < 0)
        log_error("%s", e.n_params > 0 ? e.params[0] : e.code);
    else if (x->membership.member)
        change_role_restart(x);
}

static bool somebody_is_missing(struct xapid *x)
{
    DB_FOREACH_HOST (x->db, host)
        if (!ref_equal(host->row.ref, x->host) && !leader_hears(host->row.ref))
            return true;
    return false;
}

static void co_watch(void *arg)
{
    struct xapid *x = arg;

    int often = x->options.silence_ms / 2;

    while (co_sleep_until(clock_in_ms(often), "hosts that are missing") == 0)
        if (!x->restarting && somebody_is_missing(x))
            co_change_role_step_down(x);
}

void change_role_watch(struct xapid *x)
{
    fiber_spawn("watch", co_watch, x);
}
