#include "xapid/event/legacy.h"
#include <inttypes.h>
#include <stdio.h>
#include <sys/queue.h>
#include <talloc.h>
#include "lib/clock.h"
#include "model/args.gen.h"
#include "xapid/event/batch.h"
#include "xapid/event/wait.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"

struct registration {
    struct ref session;
    const struct set *subscriptions;
    uint64_t since, next_id;
    LIST_ENTRY(registration) link;
};

static LIST_HEAD(, registration) registrations = LIST_HEAD_INITIALIZER(registrations);

static struct registration *find(struct ref session)
{
    struct registration *r;
    LIST_FOREACH (r, &registrations, link)
        if (ref_equal(r->session, session))
            return r;
    return NULL;
}

void event_legacy_forget(struct ref session)
{
    struct registration *r = find(session);
    if (!r)
        return;
    LIST_REMOVE(r, link);
    talloc_free(r);
}

/* The subscriptions with more of them, or without them; on r. An empty list in the call means all. */
static const struct set *changed(struct registration *r, const struct set *by, bool add)
{
    const struct set *s = r->subscriptions;
    uint32_t n = set_count(by);
    for (uint32_t i = 0; i < (n ? n : 1); i++) {
        const char *text = talloc_strdup(r, n ? by->v[i].s : "*");
        if (!add)
            s = set_without_string(r, s, text);
        else if (!set_has_string(s, text))
            s = set_with_string(r, s, text);
    }
    return s;
}

int co_event_register(struct call *c, const struct event_register_args *a, struct err *e)
{
    struct event_filter f;
    if (event_filter_parse(c->mem, a->classes, c->roles, &f, e) < 0)
        return -1;
    struct registration *r = find(c->session);
    if (!r) {
        r = talloc_zero(NULL, struct registration);
        r->session = c->session;
        r->since = db_generation(c->db);
        LIST_INSERT_HEAD(&registrations, r, link);
    }
    r->subscriptions = changed(r, a->classes, true);
    return 0;
}

int co_event_unregister(struct call *c, const struct event_unregister_args *a, struct err *e)
{
    struct registration *r = find(c->session);
    if (r)
        r->subscriptions = changed(r, a->classes, false);
    return 0;
}

static int not_registered(struct call *c, struct err *e)
{
    char text[REF_TEXT_SIZE];
    ref_format(c->session, text);
    return db_session(c->db, c->session) ? err_session_not_registered(e, text) : err_session_invalid(e, text);
}

/* Write what there is by now; false when there is nothing, unless that will do. */
static bool write_next(struct call *c, struct registration *r, const struct event_filter *f,
                       bool nothing_will_do, struct enc *out)
{
    struct event_batch *b = event_collect(c->mem, c->db, f, r->since);
    r->since = db_generation(c->db);
    if (event_batch_is_empty(b) && !nothing_will_do)
        return false;
    char timestamp[32];
    snprintf(timestamp, sizeof timestamp, "%" PRId64 ".0", clock_wall());
    event_batch_write(b, out, timestamp, &r->next_id);
    return true;
}

int co_event_next(struct call *c, const struct event_next_args *a, struct enc *out, struct err *e)
{
    for (bool waited = false;; waited = true) { /* one that was let go has waited, perhaps for nothing */
        struct registration *r = find(c->session);
        struct event_filter f;
        if (!r || set_count(r->subscriptions) == 0)
            return not_registered(c, e);
        if (r->since < db_oldest_tombstone(c->db)) {
            r->since = db_generation(c->db);
            return err_events_lost(e);
        }
        if (event_filter_parse(c->mem, r->subscriptions, c->roles, &f, e) < 0)
            return -1;
        if (write_next(c, r, &f, waited, out))
            return 0;
        int w = co_event_wait(c->db, &f, c->session, r->since, CLOCK_NEVER);
        if (w < 0)
            return err_errno(e, w, "waiting for events");
    }
}
