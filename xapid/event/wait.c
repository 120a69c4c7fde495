#include "xapid/event/wait.h"
#include <errno.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "model/errors.gen.h"
#include "xapid/event/batch.h"
#include "xapid/event/legacy.h"

/* A waiting call; lives on its fiber's stack. */
struct waiter {
    const struct event_filter *filter;
    struct ref session;
    bool due;
    struct fiber_cond cond;
    TAILQ_ENTRY(waiter) link;
};

static TAILQ_HEAD(, waiter) waiters = TAILQ_HEAD_INITIALIZER(waiters);
static unsigned n_waiters;
static bool stopped;

/* Below the server's number of connections, so that there are some left to end sessions with. */
enum { WAITERS_LIMIT = 3000 };

static void wake(struct waiter *w)
{
    w->due = true;
    fiber_cond_signal(&w->cond);
}

static void visit(const struct db_change *c, void *arg)
{
    bool session_ended = c->cls == CLASS_SESSION && !c->row;
    if (session_ended)
        event_legacy_forget(c->ref);
    struct waiter *w;
    TAILQ_FOREACH (w, &waiters, link) {
        bool mine = session_ended && ref_equal(w->session, c->ref);
        if (!w->due && (mine || event_filter_wants(w->filter, c->cls, c->ref)))
            wake(w);
    }
}

static void co_pump(void *arg)
{
    struct db *db = arg;
    uint64_t seen = db_generation(db);
    while (!stopped) {
        if (seen == db_generation(db) &&
            co_cond_wait(db_changed(db), CLOCK_NEVER, "changes of the database") < 0)
            return;
        uint64_t now = db_generation(db);
        db_changes_since(db, seen, visit, NULL);
        seen = now;
    }
}

void event_pump_start(struct db *db)
{
    fiber_spawn("events", co_pump, db);
}

unsigned event_waiting_count(void)
{
    unsigned n = 0;
    struct waiter *w;
    TAILQ_FOREACH (w, &waiters, link)
        n++;
    return n;
}

void event_pump_release(void)
{
    struct waiter *w;
    TAILQ_FOREACH (w, &waiters, link)
        wake(w);
}

void event_pump_stop(void)
{
    stopped = true;
    event_pump_release();
}

int co_event_wait(struct db *db, const struct event_filter *f, struct ref session, uint64_t since,
                  int64_t deadline, struct err *e)
{
    if (n_waiters >= WAITERS_LIMIT)
        return err_too_many_pending_tasks(e);
    struct waiter w = {.filter = f, .session = session, .due = stopped || event_is_due(db, f, since)};
    fiber_cond_init(&w.cond);
    TAILQ_INSERT_TAIL(&waiters, &w, link);
    n_waiters++;
    int r = 0;
    while (!w.due && r == 0)
        r = co_cond_wait(&w.cond, deadline, "events");
    TAILQ_REMOVE(&waiters, &w, link);
    n_waiters--;
    return r < 0 && r != -ETIMEDOUT ? err_errno(e, r, "waiting for events") : 0;
}
