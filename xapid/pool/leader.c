#include "xapid/pool/leader.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <talloc.h>
#include "db/feed.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "xapid/pool/frame.h"
#include "xapid/pool/hello.h"
#include "xapid/pool/host_certificates.h"
#include "xapid/pool/member_host.h"
#include "xapid/pool/peers.h"
#include "xapid/pool/refusal.h"

enum {
    KEPT_BYTES = 16 << 20, /* of batches, for members that were away for a moment */
    AT_ONCE = 256 << 10,   /* of batches written together */
    MAX_HELLO = 8 << 20,
    HELLO_MS = 10 * 1000,
    WRITE_MS = 30 * 1000,
    SHARE_MS = 500,
    SNAPSHOT_MS = 10 * 60 * 1000,
    SNAPSHOTS_AT_ONCE = 2, /* one is sent while another is being taken in */
    TAKE_IN_MS = 60 * 1000,
};

struct follower {
    LIST_ENTRY(follower) link;
    struct leader_follower seen;
    struct xapid *x;
    struct frame_end end;
    struct fiber *reader;
    X509 *certificate; /* that the member has shown; the connection's */
    uint64_t snapshot; /* the generation of the one that it is sent or takes in; 0: none */
    int64_t turn_ends; /* then it is not waited for any more */
    bool ended;
};

static LIST_HEAD(, follower) followers = LIST_HEAD_INITIALIZER(followers);
static struct fiber_cond progress = FIBER_COND_INIT(progress);

/* ---- what goes down ---- */

static int co_flush(struct follower *f, struct buf *out)
{
    int r = out->len == 0 ? 0 : f->end.co_write(f->end.stream, out->data, out->len, clock_in_ms(WRITE_MS));

    buf_reset(out);
    return r;
}

/* Everything there is at a generation. Members that need one at the same time, as after a start of the
 * coordinator, share it while it is being sent: making one holds the loop up. */
struct snapshot {
    unsigned users;
    struct batch *all;
};
static struct snapshot *shared;

static struct snapshot *snapshot_take(struct db *db)
{
    bool lost = true;

    if (shared)
        (void)feed_next(db, shared->all->generation, &lost);
    if (lost) {
        shared = mem_zalloc(sizeof *shared);
        shared->all = feed_snapshot(db);
    }
    shared->users++;
    return shared;
}

static void snapshot_leave(struct snapshot *s)
{
    if (--s->users > 0)
        return;
    if (shared == s)
        shared = NULL;
    batch_free(s->all);
    free(s);
}

static bool takes_in(const struct follower *f)
{
    return f->snapshot > 0 && !f->ended && clock_now() < f->turn_ends;
}

static bool may_send_snapshot(void)
{
    const struct follower *f;
    unsigned n = 0;

    LIST_FOREACH (f, &followers, link)
        n += takes_in(f);
    return n < SNAPSHOTS_AT_ONCE;
}

static int co_send_alive(struct follower *f, struct buf *out)
{
    frame_put(out, FRAME_ALIVE, db_generation(f->x->db), NULL, 0);
    return co_flush(f, out);
}

/* A member that takes a snapshot in answers nobody meanwhile. Many at a time, as after a start of the
 * coordinator, would want the wire, and the memory for it, at once, and be silent for longer than is
 * believed. */
static int co_wait_turn(struct follower *f, struct buf *out)
{
    int r = 0;

    while (r == 0 && !may_send_snapshot()) {
        r = co_cond_wait(&progress, clock_in_ms(frame_alive_ms(f->x->options.silence_ms)),
                         "a turn to send all");
        if (r == -ETIMEDOUT)
            r = co_send_alive(f, out);
    }
    return r;
}

static int co_send_whole(struct follower *f, const struct batch *all, struct buf *out)
{
    int r = co_db_wait_durable(f->x->db, all->generation, CLOCK_NEVER);

    frame_put_head(out, FRAME_SNAPSHOT, all->generation, all->data.len);
    if (r == 0)
        r = co_flush(f, out);
    if (r == 0)
        r = f->end.co_write(f->end.stream, all->data.data, all->data.len, clock_in_ms(SNAPSHOT_MS));
    f->seen.sent = r == 0 ? all->generation : f->seen.sent;
    return r;
}

/* In place of batches that are not kept any more. */
static int co_send_snapshot(struct follower *f, struct buf *out)
{
    int r = co_wait_turn(f, out);

    if (r < 0)
        return r;
    struct snapshot *s = snapshot_take(f->x->db);
    f->snapshot = s->all->generation;
    f->turn_ends = clock_in_ms(TAKE_IN_MS);
    r = co_send_whole(f, s->all, out);
    snapshot_leave(s);
    return r;
}

/* Put what is durable here and not sent yet, up to a measure. */
static void put_batches(struct follower *f, struct buf *out, bool *lost)
{
    const struct batch *b;

    while (out->len < AT_ONCE && (b = feed_next(f->x->db, f->seen.sent, lost)) &&
           db_is_durable(f->x->db, b->generation)) {
        frame_put(out, FRAME_BATCH, b->generation, b->data.data, b->data.len);
        f->seen.sent = b->generation;
    }
}

/* Wait until there is something to send: 0, or -ETIMEDOUT when there was nothing for a while. */
static int co_wait_news(struct follower *f)
{
    struct db *db = f->x->db;
    int64_t deadline = clock_in_ms(frame_alive_ms(f->x->options.silence_ms));

    if (db_generation(db) > f->seen.sent)
        return co_db_wait_durable(db, f->seen.sent + 1, deadline);
    return co_cond_wait(db_changed(db), deadline, "changes for a member");
}

static int co_send_next(struct follower *f, struct buf *out)
{
    bool lost = false;

    put_batches(f, out, &lost);
    if (lost)
        return co_send_snapshot(f, out);
    if (out->len > 0)
        return co_flush(f, out);
    int r = co_wait_news(f);
    if (r != -ETIMEDOUT)
        return r;
    return co_send_alive(f, out);
}

static int co_send_model(struct follower *f, struct buf *out)
{
    CLEANUP_BUF struct buf model = {0};

    feed_describe(&model);
    frame_put(out, FRAME_MODEL, 0, model.data, model.len);
    return co_flush(f, out);
}

static void co_write(void *arg)
{
    struct follower *f = arg;
    CLEANUP_BUF struct buf out = {0};
    int r = co_send_model(f, &out);

    while (r == 0 && !f->ended)
        r = co_send_next(f, &out);
    if (!f->ended)
        fiber_cancel(f->reader);
    f->ended = true;
}

/* ---- what comes up ---- */

static void take_report(struct follower *f, const struct frame *frame)
{
    CLEANUP_ERR struct err e = {0};

    if (member_host_report(f->x, f->seen.host, frame->body.data, frame->body.len, &e) < 0)
        log_warning("a member's report: %s", e.n_params > 0 ? e.params[0] : e.code);
}

static void take_facts(struct follower *f, const struct frame *frame)
{
    CLEANUP_ERR struct err e = {0};

    if (member_host_facts(f->x, f->seen.host, frame->body.data, frame->body.len, &e) < 0)
        log_warning("what a member says of itself: %s", e.n_params > 0 ? e.params[0] : e.code);
}

static int co_take_frame(struct follower *f)
{
    struct frame frame;
    int r = co_frame_read(&f->end, MAX_HELLO, f->x->options.silence_ms, &frame);

    if (r == -ETIMEDOUT && takes_in(f))
        return 0;
    if (r < 0)
        return r;
    f->seen.heard = clock_now();
    if (frame.kind == FRAME_REPORT)
        take_report(f, &frame);
    if (frame.kind == FRAME_FACTS)
        take_facts(f, &frame);
    if (frame.kind == FRAME_DURABLE && frame.generation <= f->seen.sent) {
        f->seen.durable = frame.generation;
        if (frame.generation >= f->snapshot)
            f->snapshot = 0;
        fiber_cond_broadcast(&progress);
    }
    buf_free(&frame.body);
    return 0;
}

static struct follower *find(struct ref host)
{
    struct follower *f;

    LIST_FOREACH (f, &followers, link)
        if (!f->ended && ref_equal(f->seen.host, host))
            return f;
    return NULL;
}

static void end(struct follower *f)
{
    f->ended = true;
    fiber_cancel(f->reader);
}

static void co_hear(struct follower *f)
{
    int r = 0;

    while (r == 0 && !f->ended)
        r = co_take_frame(f);
    log_info("the connection of a member has ended: %s", strerror(-r));
}

/* Until the connection ends. The host is live meanwhile. */
static void co_lead(struct follower *f, const struct hello *hello)
{
    struct follower *before = find(f->seen.host);

    if (before)
        end(before);
    f->reader = fiber_self();
    f->seen.heard = clock_now();
    LIST_INSERT_HEAD(&followers, f, link);
    struct fiber *writer = fiber_ref(fiber_spawn("feed", co_write, f));
    host_certificate_seen(f->x, f->seen.host, f->certificate);
    member_host_welcome(f->x, f->seen.host, hello);
    co_hear(f);
    fiber_mask_cancel();
    f->ended = true;
    fiber_cancel(writer);
    (void)co_fiber_join(writer, CLOCK_NEVER);
    fiber_unref(writer);
    LIST_REMOVE(f, link);
    fiber_cond_broadcast(&progress);
    if (!find(f->seen.host))
        member_host_gone(f->x, f->seen.host);
    fiber_unmask_cancel();
}

/* ---- the beginning ---- */

static ssize_t co_read_stream(void *stream, void *bytes, size_t n, int64_t deadline)
{
    return co_stream_read(stream, bytes, n, deadline);
}

static int co_write_stream(void *stream, const void *bytes, size_t n, int64_t deadline)
{
    return co_stream_write(stream, bytes, n, deadline);
}

static void co_refuse(const struct frame_end *to, const struct err *e)
{
    CLEANUP_BUF struct buf why = {0};
    CLEANUP_BUF struct buf out = {0};

    refusal_write(e, &why);
    frame_put(&out, FRAME_REFUSED, 0, why.data, why.len);
    (void)to->co_write(to->stream, out.data, out.len, clock_in_ms(HELLO_MS));
}

/* Another host leads. */
static int check_office(struct xapid *x, struct err *e)
{
    return x->membership.member ? err_host_is_slave(e, x->membership.coordinator) : 0;
}

static int co_read_hello(struct follower *f, void *mem, const char *uuid, struct hello *ret, struct err *e)
{
    struct frame frame;
    int r = co_frame_read(&f->end, MAX_HELLO, HELLO_MS, &frame);

    if (r < 0)
        return err_errno(e, r, "reading a member's greeting");
    if (frame.kind != FRAME_HELLO)
        err_internal(e, "a member begins without a greeting");
    else
        (void)hello_read(mem, frame.body.data, frame.body.len, ret, e);
    buf_free(&frame.body);
    return err_is_set(e) || check_office(f->x, e) < 0 ? -1
                                                      : member_host_check(f->x, uuid, ret, &f->seen.host, e);
}

void co_leader_serve(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct http_reply head = {.content_type = "application/octet-stream"};
    struct follower f = {
        .x = arg, .end = {s, co_read_stream, co_write_stream}, .certificate = peer_certificate(r)};
    struct hello hello = {0};
    const char *uuid = co_peers_admit_stream(f.x, r, s);

    if (!uuid || co_stream_send_head(s, &head, -1, clock_in_ms(HELLO_MS)) < 0)
        return;
    if (co_read_hello(&f, r->mem, uuid, &hello, &e) < 0) {
        log_warning("host %s is not taken in: %s", uuid, err_text(r->mem, &e));
        co_refuse(&f.end, &e);
        return;
    }
    db_feed_start(f.x->db, KEPT_BYTES);
    f.seen.sent = f.seen.durable = (uint64_t)hello.generation;
    co_lead(&f, &hello);
}

/* ---- for others ---- */

void leader_foreach(void (*visit)(const struct leader_follower *f, void *arg), void *arg)
{
    struct follower *f;

    LIST_FOREACH (f, &followers, link)
        if (!f->ended)
            visit(&f->seen, arg);
}

bool leader_hears(struct ref host)
{
    return find(host) != NULL;
}

int co_leader_wait(struct ref host, uint64_t generation, int64_t deadline)
{
    struct follower *f;
    int r = 0;

    while (r == 0 && (f = find(host)) && f->seen.durable < generation)
        r = co_cond_wait(&progress, deadline, "a member's copy of the database");
    return r < 0 ? r : f ? 0 : -ENOTCONN;
}

static bool has_somebody(uint64_t generation, bool *ret_wait)
{
    struct follower *f;

    *ret_wait = false;
    LIST_FOREACH (f, &followers, link) {
        if (f->ended)
            continue;
        if (f->seen.durable >= generation)
            return true;
        *ret_wait = true;
    }
    return false;
}

void co_leader_share(uint64_t generation)
{
    int64_t deadline = clock_in_ms(SHARE_MS);
    bool wait;
    int r = 0;

    fiber_mask_cancel();
    while (r == 0 && !has_somebody(generation, &wait) && wait)
        r = co_cond_wait(&progress, deadline, "a member to have what was decided");
    fiber_unmask_cancel();
    if (r == -ETIMEDOUT)
        log_warning("no member has confirmed what was decided");
}

void leader_drop(struct ref host)
{
    struct follower *f = find(host);

    if (f)
        end(f);
}
