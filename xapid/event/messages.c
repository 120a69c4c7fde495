#include <errno.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "model/args.gen.h"
#include "rpc/encode.h"
#include "xapid/call.h"
#include "xapid/event/batch.h"
#include "xapid/event/token.h"
#include "xapid/event/wait.h"
#include "xapid/handlers.gen.h"
#include "xapid/pool/follow.h"

/* Changes that come close to each other are sent together when the client is behind already. */
enum { GATHER_MS = 50 };

/* How long a copy of the database may be behind what a client has seen elsewhere. */
enum { CATCH_UP_MS = 5000 };

static void write_counts(struct enc *out, struct db *db)
{
    enc_struct_begin(out);
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        if (!event_class_is_visible(cls) || cls == CLASS_MESSAGE)
            continue;
        enc_member(out, model_classes[cls].event_name);
        enc_int32(out, (int32_t)db_count(db, cls));
    }
    enc_struct_end(out);
}

static void write_from(struct call *c, const struct event_filter *f, uint64_t since, struct enc *out)
{
    static uint64_t next_id;
    struct event_batch *b = event_collect(c->mem, c->db, f, since);
    char token[EVENT_TOKEN_SIZE];
    event_token_format(db_generation(c->db), token);
    enc_struct_begin(out);
    enc_member(out, "events");
    event_batch_write(b, out, "0.0", &next_id);
    enc_member(out, "valid_ref_counts");
    write_counts(out, c->db);
    enc_member(out, "token");
    enc_string(out, token);
    enc_struct_end(out);
}

static int64_t deadline_of(double seconds)
{
    double ms = seconds * 1000;
    return ms > 0 ? clock_in_ms(ms < 1e12 ? (int64_t)ms : (int64_t)1e12) : clock_now();
}

/* Wait for something to tell. A client that is behind (there is something already) waits a moment longer, so
 * that a storm of changes makes few answers; one that is up to date hears of a change at once. */
static int co_wait_due(struct call *c, const struct event_filter *f, uint64_t since, int64_t deadline,
                       struct err *e)
{
    if (since == 0)
        return 0;
    if (!event_is_due(c->db, f, since))
        return co_event_wait(c->db, f, c->session, since, deadline, e);
    if (event_filter_is_task_only(f))
        return 0;
    int64_t moment = clock_in_ms(GATHER_MS);
    int r = co_sleep_until(moment < deadline ? moment : deadline, "more events");
    return r == -ECANCELED ? err_errno(e, r, "waiting for events") : 0;
}

static int check_still_there(struct call *c, struct err *e)
{
    if (ref_is_null(c->session) || db_session(c->db, c->session))
        return 0;
    char text[REF_TEXT_SIZE];
    ref_format(c->session, text);
    return err_session_invalid(e, text);
}

int co_event_from(struct call *c, const struct event_from_args *a, struct enc *out, struct err *e)
{
    struct event_filter f;
    uint64_t since;
    if (event_filter_parse(c->mem, a->classes, c->roles, &f, e) < 0 ||
        event_token_parse(a->token, &since, e) < 0)
        return -1;
    if (c->x->membership.member && since > db_generation(c->db)) /* another host was ahead of this copy */
        (void)co_follow_wait(c->x, since, clock_in_ms(CATCH_UP_MS));
    bool lost = since > 0 && (since < db_oldest_tombstone(c->db) || since > db_generation(c->db));
    if (lost)
        return err_events_lost(e);
    if (co_wait_due(c, &f, since, deadline_of(a->timeout), e) < 0)
        return -1;
    if (check_still_there(c, e) < 0)
        return -1;
    write_from(c, &f, since, out);
    return 0;
}

int co_event_get_current_id(struct call *c, const struct event_get_current_id_args *a, union value *ret,
                            struct err *e)
{
    ret->i = (int64_t)db_generation(c->db);
    return 0;
}

int co_event_inject(struct call *c, const struct event_inject_args *a, union value *ret, struct err *e)
{
    const struct model_class *cls = model_class_by_event_name(a->class);
    struct ref ref;
    bool exact = cls && (strcmp(cls->event_name, a->class) == 0 || strcmp(cls->name, a->class) == 0) &&
                 event_class_is_visible(cls->id);
    const struct row *row = exact && ref_parse(a->ref, &ref) ? db_get(c->db, cls->id, ref) : NULL;
    if (!row)
        return err_handle_invalid(e, a->class, a->ref);
    char *token = talloc_array(c->mem, char, EVENT_TOKEN_SIZE);
    event_token_format(db_generation(c->db), token);
    struct txn *t = db_begin(c->db);
    db_touch(t, row);
    if (db_commit(t, e) < 0)
        return -1;
    ret->s = token;
    return 0;
}
