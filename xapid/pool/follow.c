#include "xapid/pool/follow.h"
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <talloc.h>
#include "db/replica.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/errors.gen.h"
#include "pool/agent_types.h"
#include "rpc/client.h"
#include "xapid/plain_port.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/frame.h"
#include "xapid/pool/hello.h"
#include "xapid/pool/peers.h"
#include "xapid/pool/refusal.h"

enum {
    MAX_FRAME = 1 << 30,
    WRITE_MS = 30 * 1000,
    AGAIN_MS = 200, /* the first pause before connecting again; it grows */
    AGAIN_MAX_MS = 3000,
    LOOK_AGAIN_MS = 500,
    MAX_QUEUED = 4 << 20, /* bytes of reports; beyond, a new connection with a new list is cheaper */
};

static struct {
    struct xapid *x;
    struct client_stream *stream; /* NULL: none */
    struct frame_end end;
    struct replica *replica;
    struct fiber *reader;
    bool loaded;               /* the copy has been filled since the daemon's start */
    uint64_t term;             /* in which it was */
    int64_t heard;             /* clock_now() of the coordinator's last frame, or of the start */
    uint64_t told;             /* the coordinator knows that this is on the disk here */
    struct buf queue;          /* frames to be sent */
    struct fiber_cond queued;  /* there are some, or the copy has grown */
    struct fiber_cond changed; /* connected, or not any more; or the copy has grown */
    bool stopping;             /* another process goes on here: nobody waits for the coordinator any more */
    struct err refusal;        /* what the coordinator said instead of taking this host in */
} follow = {.queued = FIBER_COND_INIT(follow.queued), .changed = FIBER_COND_INIT(follow.changed)};

/* ---- what comes down ---- */

static void find_own_rows(struct xapid *x)
{
    const struct row *host = db_get_by_uuid(x->db, CLASS_HOST, x->membership.host),
                     *pool = db_first(x->db, CLASS_POOL);

    x->host = host ? host->ref : REF_NULL;
    x->pool = pool ? pool->ref : REF_NULL;
}

static int take_model(const struct frame *f, struct err *e)
{
    replica_free(follow.replica);
    follow.replica = NULL;
    return replica_new(follow.x->db, f->body.data, f->body.len, &follow.replica, e);
}

/* A copy of what another coordinator committed, which this one has not. */
static int begin_anew(struct err *e)
{
    change_role_restart(follow.x);
    return err_internal(e, "this host's copy of the database is of another coordinator's");
}

static int take_snapshot(const struct frame *f, struct err *e)
{
    if (f->generation < db_generation(follow.x->db))
        return begin_anew(e);
    if (replica_load(follow.replica, f->body.data, f->body.len, f->generation, e) < 0)
        return -1;
    follow.loaded = true;
    follow.term = follow.x->membership.term;
    find_own_rows(follow.x);
    malloc_trim(0); /* what the copying took */
    return 0;
}

static bool is_writable(void)
{
    CLEANUP_ERR struct err reason = {0};

    return db_check_writable(follow.x->db, &reason) == 0;
}

/* -1 with a reason that ends the connection; the next one begins with a snapshot if the copy is no use. */
static int take_frame(const struct frame *f, struct err *e)
{
    if (f->kind == FRAME_MODEL)
        return take_model(f, e);
    if (f->kind == FRAME_REFUSED)
        return refusal_read(f->body.data, f->body.len, e);
    if (f->kind == FRAME_ALIVE)
        return 0;
    if (!follow.replica)
        return err_internal(e, "the coordinator sends data before it has described it");
    if (f->kind == FRAME_SNAPSHOT)
        return take_snapshot(f, e);
    if (f->kind != FRAME_BATCH || !follow.loaded)
        return err_internal(e, "the coordinator sends what nobody asked for");
    int r = replica_apply(follow.replica, f->body.data, f->body.len, f->generation, e);
    /* else all of it is fetched again; what was refused for want of room has changed nothing */
    follow.loaded = r == 0 || !is_writable();
    return r;
}

static int co_take_frame(struct err *e)
{
    struct frame f;
    int r = co_frame_read(&follow.end, MAX_FRAME, follow.x->options.silence_ms, &f);

    if (r < 0)
        return err_errno(e, r, "listening to the coordinator");
    follow.heard = clock_now();
    r = take_frame(&f, e);
    buf_free(&f.body);
    plain_port_follow(follow.x);
    fiber_cond_broadcast(&follow.changed);
    fiber_cond_broadcast(&follow.queued);
    return r;
}

/* ---- what goes up ---- */

/* The newest generation that is on the disk here and was not told yet. */
static void put_durable(struct buf *out)
{
    uint64_t now = db_generation(follow.x->db);

    if (!follow.loaded || now == follow.told || !db_is_durable(follow.x->db, now))
        return;
    frame_put(out, FRAME_DURABLE, now, NULL, 0);
    follow.told = now;
}

static int co_wait_queued(void)
{
    struct db *db = follow.x->db;
    int64_t deadline = clock_in_ms(frame_alive_ms(follow.x->options.silence_ms));

    if (follow.loaded && follow.told != db_generation(db))
        return co_db_wait_durable(db, db_generation(db), deadline);
    return co_cond_wait(&follow.queued, deadline, "something to tell the coordinator");
}

static int co_send_next(void)
{
    CLEANUP_BUF struct buf out = follow.queue;

    follow.queue = (struct buf){0};
    put_durable(&out);
    if (out.len == 0) {
        int r = co_wait_queued();
        if (r != -ETIMEDOUT)
            return r;
        frame_put(&out, FRAME_ALIVE, 0, NULL, 0);
    }
    return follow.end.co_write(follow.end.stream, out.data, out.len, clock_in_ms(WRITE_MS));
}

static void co_write(void *arg)
{
    bool *ended = arg;
    int r = 0;

    while (r == 0 && !*ended)
        r = co_send_next();
    if (!*ended)
        fiber_cancel(follow.reader);
}

void follow_report(const struct hv_report *r, void *arg)
{
    CLEANUP_BUF struct buf text = {0};
    json_t *j = follow.stream ? codec_encode(&codec_hv_report, r) : NULL;

    if (!j)
        return;
    codec_write(&text, j);
    frame_put(&follow.queue, FRAME_REPORT, 0, text.data, text.len);
    if (follow.queue.len > MAX_QUEUED)
        fiber_cancel(follow.reader);
    fiber_cond_broadcast(&follow.queued);
}

void follow_tell_facts(struct xapid *x)
{
    CLEANUP_BUF struct buf text = {0};

    if (!follow.stream || machine_write(x, &text) < 0)
        return;
    frame_put(&follow.queue, FRAME_FACTS, 0, text.data, text.len);
    fiber_cond_broadcast(&follow.queued);
}

/* ---- one connection ---- */

static ssize_t co_read_stream(void *stream, void *bytes, size_t n, int64_t deadline)
{
    return co_client_stream_read(stream, bytes, n, deadline);
}

static int co_write_stream(void *stream, const void *bytes, size_t n, int64_t deadline)
{
    return co_client_stream_write(stream, bytes, n, deadline);
}

/* What the copy holds of the coordinator's database. Another one may have committed otherwise from some point
 * on. */
static uint64_t usable_generation(void)
{
    return follow.loaded && follow.term == follow.x->membership.term ? db_generation(follow.x->db) : 0;
}

static int co_greet(struct err *e)
{
    CLEANUP_BUF struct buf hello = {0};
    CLEANUP_BUF struct buf out = {0};

    if (co_hello_write(follow.x, usable_generation(), &hello, e) < 0)
        return -1;
    frame_put(&out, FRAME_HELLO, 0, hello.data, hello.len);
    int r = follow.end.co_write(follow.end.stream, out.data, out.len, clock_in_ms(WRITE_MS));
    return r < 0 ? err_errno(e, r, "greeting the coordinator") : 0;
}

/* Why the peer at the other end will have nothing of this host. */
static void co_read_refusal(unsigned status, struct err *e)
{
    CLEANUP_BUF struct buf body = {0};
    enum { MAX_REFUSAL = 4096 };
    ssize_t n = 1;

    while (n > 0 && body.len < MAX_REFUSAL) {
        n = co_client_stream_read(follow.stream, buf_reserve(&body, MAX_REFUSAL), MAX_REFUSAL,
                                  clock_in_ms(WRITE_MS));
        body.len += n > 0 ? (size_t)n : 0;
    }
    (void)peers_check_reply(follow.x, NULL, status, &body, e);
}

/* Certificates change only while all hosts of a pool are there to hear of it: this one is no host of the pool
 * any more, or the other is none. */
static int note_stranger(struct err *e)
{
    log_info("%s", e->n_params > 0 ? e->params[0] : e->code);
    err_clear(e);
    return err_host_unknown_to_master(e, follow.x->membership.host);
}

static int co_connect(struct err *e)
{
    const struct membership *m = &follow.x->membership;
    struct rpc_client *c = peers_client(follow.x, m->coordinator, NULL);
    unsigned status = 0;
    int r = co_client_stream_open(c, "CONNECT", "/peer/feed", NULL, &follow.stream, &status, e);
    bool strange = rpc_client_distrust(c);

    rpc_client_free(c);
    if (r < 0)
        return strange ? note_stranger(e) : -1;
    follow.end = (struct frame_end){follow.stream, co_read_stream, co_write_stream};
    if (status == 200)
        return 0;
    co_read_refusal(status, e);
    client_stream_close(follow.stream);
    follow.stream = NULL;
    return err_internal(e, "the host at %s answers with status %u", m->coordinator, status);
}

static int co_follow_stream(struct err *e)
{
    bool ended = false;
    int r = 0;

    follow.told = 0;
    buf_reset(&follow.queue);
    if (co_greet(e) < 0)
        return -1;
    struct fiber *writer = fiber_ref(fiber_spawn("reports", co_write, &ended));
    while (r == 0)
        r = co_take_frame(e);
    fiber_mask_cancel();
    ended = true;
    fiber_cancel(writer);
    (void)co_fiber_join(writer, CLOCK_NEVER);
    fiber_unref(writer);
    fiber_unmask_cancel();
    return r;
}

static void note_end(const struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    log_info("not connected to the coordinator at %s: %s", follow.x->membership.coordinator,
             err_text(mem, e));
    err_clear(&follow.refusal);
    if (!err_is(e, "INTERNAL_ERROR"))
        err_copy(&follow.refusal, e);
}

static void co_follow_once(void *arg)
{
    CLEANUP_ERR struct err e = {0};

    if (co_connect(&e) == 0)
        (void)co_follow_stream(&e);
    client_stream_close(follow.stream);
    follow.stream = NULL;
    note_end(&e);
    fiber_cond_broadcast(&follow.changed);
}

/* ---- for ever ---- */

/* Nothing that the coordinator sends could be kept. */
static int co_wait_writable(void)
{
    int r = 0;

    if (!is_writable())
        log_info("the coordinator is asked again once the database can be written");
    while (r == 0 && !is_writable())
        r = co_sleep_until(clock_in_ms(LOOK_AGAIN_MS), "the database can be written again");
    return r;
}

static void co_follow(void *arg)
{
    int pause = AGAIN_MS;

    do {
        int64_t before = follow.heard;
        follow.reader = fiber_ref(fiber_spawn("follow", co_follow_once, NULL));
        (void)co_fiber_join(follow.reader, CLOCK_NEVER);
        fiber_unref(follow.reader);
        follow.reader = NULL;
        pause = follow.heard != before ? AGAIN_MS : pause * 2 < AGAIN_MAX_MS ? pause * 2 : AGAIN_MAX_MS;
        if (err_is(&follow.refusal, "HOST_IS_SLAVE") && follow.refusal.n_params == 1 &&
            membership_is_address(follow.refusal.params[0]))
            change_role_heard_of(follow.x, follow.refusal.params[0]);
    } while (co_sleep_until(clock_in_ms(pause), "connecting to the coordinator again") == 0 &&
             co_wait_writable() == 0);
}

void follow_start(struct xapid *x)
{
    follow.x = x;
    replica_begin(x->db);
    follow.heard = clock_now();
    find_own_rows(x);
    fiber_spawn("following", co_follow, NULL);
}

/* ---- for others ---- */

void follow_stop_waiting(void)
{
    follow.stopping = true;
    fiber_cond_broadcast(&follow.changed);
}

void follow_again(void)
{
    if (follow.reader && follow.reader != fiber_self())
        fiber_cancel(follow.reader);
}

bool follow_has_copy(void)
{
    return follow.loaded;
}

bool follow_is_connected(void)
{
    return follow.stream && follow.loaded;
}

uint64_t follow_silence_ms(void)
{
    return (uint64_t)(clock_now() - follow.heard) / 1000000;
}

bool follow_is_cut_off(void)
{
    /* longer than what ends a connection: another one may succeed at once */
    uint64_t limit = (uint64_t)follow.x->options.silence_ms * 5 / 4;

    return err_is_set(&follow.refusal) || follow_silence_ms() > limit;
}

int follow_refusal(struct err *e)
{
    if (!err_is_set(&follow.refusal))
        return err_host_still_booting(e);
    err_copy(e, &follow.refusal);
    return -1;
}

int co_follow_wait(struct xapid *x, uint64_t generation, int64_t deadline)
{
    int r = 0;

    while (r == 0 && db_generation(x->db) < generation)
        r = follow.stopping ? -ETIMEDOUT
                            : co_cond_wait(&follow.changed, deadline, "the copy of the database");
    return r;
}

int co_follow_wait_connected(int64_t deadline)
{
    int r = 0;

    while (r == 0 && !follow_is_connected())
        r = follow.stopping ? -ETIMEDOUT : co_cond_wait(&follow.changed, deadline, "the coordinator");
    return r;
}
