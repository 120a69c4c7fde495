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
    struct set *subscriptions; /* its own */
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

static struct set *set_room(uint32_t n)
{
    return talloc_zero_size(NULL, sizeof(struct set) + n * sizeof(union value));
}

/* Those of `from` that `without` lacks, copied behind what is in s. */
static void add_strings(struct set *s, const struct set *from, const struct set *without)
{
    for (uint32_t i = 0; i < set_count(from); i++)
        if (!set_has_string(without, from->v[i].s))
            s->v[s->n++].s = talloc_strdup(s, from->v[i].s);
}

/* Both together, a list of its own. */
static struct set *joined(const struct set *a, const struct set *b)
{
    struct set *s = set_room(set_count(a) + set_count(b));
    add_strings(s, a, NULL);
    add_strings(s, b, a);
    return s;
}

static struct set *reduced(const struct set *a, const struct set *b)
{
    struct set *s = set_room(set_count(a));
    add_strings(s, a, b);
    return s;
}

/* What a call names: an empty list means all. Refused when it is not understood or too long. */
static const struct set *named(struct call *c, const struct set *classes, struct err *e)
{
    struct event_filter f;
    if (set_count(classes) == 0)
        return set_of_strings(c->mem, 1, "*");
    return event_filter_parse(c->mem, classes, c->roles, &f, e) == 0 ? classes : NULL;
}

static struct registration *registration_new(struct call *c)
{
    struct registration *r = talloc_zero(NULL, struct registration);
    r->session = c->session;
    r->since = db_generation(c->db);
    LIST_INSERT_HEAD(&registrations, r, link);
    return r;
}

/* Takes subscriptions. */
static void set_subscriptions(struct registration *r, struct set *subscriptions)
{
    talloc_free(r->subscriptions);
    r->subscriptions = talloc_steal(r, subscriptions);
}

int co_event_register(struct call *c, const struct event_register_args *a, struct err *e)
{
    const struct set *more = named(c, a->classes, e);
    if (!more)
        return -1;
    struct registration *r = find(c->session);
    struct set *all = joined(r ? r->subscriptions : NULL, more);
    struct event_filter f;
    if (event_filter_parse(c->mem, all, c->roles, &f, e) < 0) {
        talloc_free(all);
        return -1;
    }
    set_subscriptions(r ? r : registration_new(c), all);
    return 0;
}

int co_event_unregister(struct call *c, const struct event_unregister_args *a, struct err *e)
{
    const struct set *less = named(c, a->classes, e);
    struct registration *r = find(c->session);
    if (!less)
        return -1;
    if (r)
        set_subscriptions(r, reduced(r->subscriptions, less));
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
        if (co_event_wait(c->db, &f, c->session, r->since, CLOCK_NEVER, e) < 0)
            return -1;
    }
}
