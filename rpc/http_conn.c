/*
 * One connection on the loop: handshake, head, body, reply, and round again. It never waits; requests whose
 * handler must wait, and raw ones, get a fiber (http_dispatch.c). A connection is freed when it is closed and
 * nobody holds it.
 */
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "rpc/http_private.h"
#include "rpc/tls.h"

enum {
    READ_SIZE = 16 * 1024,
    TURNS = 16, /* requests or reads before other connections get theirs */
    WRITE_A_TURN = 1024 * 1024,
    READ_AHEAD = 64 * 1024, /* while a request is being worked on */
    KEEP_BUFFER = 4 * 1024,
    LINGER_MS = 2000,
    SLOW_BODY_BYTES = 16 * 1024, /* so many must come in each header_timeout_ms */
};

static void conn_kick(struct conn *c);

/* What one read brought; used up before anything else runs. */
static char scratch[READ_SIZE];

/* ---- life ---- */

static void conn_free(struct conn *c)
{
    talloc_free(c->request.mem);
    buf_free(&c->in);
    buf_free(&c->body);
    buf_free(&c->out);
    buf_free(&c->out_body);
    buf_free(&c->reply.body);
    free(c);
}

void conn_hold(struct conn *c)
{
    c->holds++;
}

void conn_release(struct conn *c)
{
    if (--c->holds == 0 && c->state == CONN_CLOSED)
        conn_free(c);
}

void conn_destroy(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    ev_io_stop(loop_get(), &c->io);
    ev_timer_stop(loop_get(), &c->timer);
    transport_close(&c->transport);
    c->state = CONN_CLOSED;
    c->server->bodies -= c->body_counted;
    c->body_counted = 0;
    server_conn_gone(c->server, c);
    if (c->holds == 0)
        conn_free(c);
}

void conn_want(struct conn *c, int events)
{
    if (c->io.events == events && ev_is_active(&c->io))
        return;
    ev_io_stop(loop_get(), &c->io);
    if (events == 0)
        return;
    ev_io_set(&c->io, c->transport.fd, events);
    ev_io_start(loop_get(), &c->io);
}

/* The timer is left alone when it fires early enough: it then looks at the deadline again. */
void conn_set_deadline(struct conn *c, int64_t ms)
{
    c->deadline = clock_in_ms(ms);
    double due = (double)ms / 1000;
    if (ev_is_active(&c->timer) && ev_timer_remaining(loop_get(), &c->timer) <= due)
        return;
    ev_timer_stop(loop_get(), &c->timer);
    ev_timer_set(&c->timer, due, 0);
    ev_timer_start(loop_get(), &c->timer);
}

bool conn_is_idle(const struct conn *c)
{
    return c->state == CONN_HANDSHAKE || c->state == CONN_LINGER || (c->state == CONN_HEAD && c->in.len == 0);
}

void conn_linger(struct conn *c)
{
    transport_end_output(&c->transport);
    c->state = CONN_LINGER;
    c->in.len = 0;
    conn_set_deadline(c, LINGER_MS);
    conn_want(c, EV_READ);
}

/* ---- writing ---- */

/* Empty a buffer for the next request; a large one goes back. */
static void keep_if_small(struct buf *b)
{
    if (b->cap > KEEP_BUFFER)
        buf_free(b);
    else
        buf_reset(b);
}

static void reply_sent(struct conn *c)
{
    c->sent = 0;
    keep_if_small(&c->out);
    spare_give(c->server, &c->out_body);
    if (!c->keep_alive) {
        conn_linger(c);
        return;
    }
    c->state = CONN_HEAD;
    c->head_begun = false;
    conn_set_deadline(c, c->server->limits.idle_timeout_ms);
    conn_want(c, EV_READ);
    if (!c->processing && (c->in.len > 0 || c->peer_ended || transport_has_buffered(&c->transport)))
        conn_kick(c);
}

/* Write what the socket takes, and no more than a turn's worth. */
static void conn_flush(struct conn *c)
{
    size_t total = c->out.len + c->out_body.len, stop = c->sent + WRITE_A_TURN;
    while (c->sent < total) {
        bool in_head = c->sent < c->out.len;
        const char *at = in_head ? c->out.data + c->sent : c->out_body.data + (c->sent - c->out.len);
        int wants = EV_WRITE;
        ssize_t n = -EAGAIN;
        if (c->sent < stop)
            n = transport_write(&c->transport, at, (in_head ? c->out.len : total) - c->sent, &wants);
        if (n == -EAGAIN) {
            c->state = CONN_REPLY;
            conn_want(c, wants);
            return;
        }
        if (n < 0) {
            conn_destroy(c);
            return;
        }
        c->sent += (size_t)n;
        if (c->sent < total)
            conn_set_deadline(c, c->server->limits.idle_timeout_ms);
    }
    reply_sent(c);
}

void conn_forget_body(struct conn *c)
{
    c->server->bodies -= c->body_counted;
    c->body_counted = 0;
    keep_if_small(&c->body);
}

void conn_send_reply(struct conn *c)
{
    if (c->reply.close || c->server->draining || c->server->stopping)
        c->keep_alive = false;
    reply_build(c->server, &c->request, &c->reply, c->keep_alive, &c->out, &c->out_body);
    spare_give(c->server, &c->reply.body);
    talloc_free(c->request.mem);
    c->request = (struct http_request){0};
    c->reply = (struct http_reply){0};
    conn_forget_body(c);
    conn_set_deadline(c, c->server->limits.idle_timeout_ms);
    conn_flush(c);
}

/* ---- reading ---- */

/* Where bytes belong that were read: first to the body that is due, then to what comes after. */
static void take_bytes(struct conn *c, const char *bytes, size_t n)
{
    if (c->state == CONN_BODY) {
        size_t missing = c->body_expected - c->body.len, part = n < missing ? n : missing;
        buf_add(&c->body, bytes, part);
        bytes += part;
        n -= part;
    }
    buf_add(&c->in, bytes, n);
}

/* Read once. False when the connection was destroyed or there was nothing. */
static bool conn_read(struct conn *c)
{
    int wants = EV_READ;
    ssize_t n = transport_read(&c->transport, scratch, sizeof(scratch), &wants);
    if (n == -EAGAIN) {
        conn_want(c, wants);
        return false;
    }
    if (n < 0) {
        conn_destroy(c);
        return false;
    }
    if (n == 0)
        c->peer_ended = true;
    take_bytes(c, scratch, (size_t)n);
    return true;
}

static void skip_empty_lines(struct conn *c)
{
    size_t n = 0;
    while (n < c->in.len && (c->in.data[n] == '\r' || c->in.data[n] == '\n'))
        n++;
    if (n > 0)
        buf_consume(&c->in, n);
}

/* A head is not complete yet: hold its sender to the limits. */
static void await_head(struct conn *c)
{
    if (c->in.len > c->server->limits.max_header) {
        dispatch_error(c, 431, "the request's header is too large");
    } else if (c->peer_ended) {
        conn_linger(c);
    } else {
        if (c->in.len > 0 && !c->head_begun) {
            c->head_begun = true;
            conn_set_deadline(c, c->server->limits.header_timeout_ms);
        }
        if (c->in.len == 0)
            keep_if_small(&c->in);
        conn_want(c, EV_READ);
    }
}

/* Take the request at the start of c->in as far as its bytes go. False when more must come first. */
static bool conn_step(struct conn *c)
{
    if (c->state == CONN_HEAD) {
        if (c->scanned == 0)
            skip_empty_lines(c);
        size_t length = http_head_find(c->in.data, c->in.len, &c->scanned);
        if (length == 0 || length > c->server->limits.max_header) {
            await_head(c);
            return false;
        }
        c->scanned = 0;
        dispatch_head(c, length);
    }
    if (c->state == CONN_BODY) {
        if (c->body.len < c->body_expected) {
            if (c->peer_ended)
                conn_destroy(c);
            else
                conn_want(c, EV_READ);
            return false;
        }
        dispatch_request(c);
    }
    return true;
}

static bool is_receiving(const struct conn *c)
{
    return c->state == CONN_HEAD || c->state == CONN_BODY;
}

/* Take the requests that have come, a few at most. False when there may be more of them. */
static bool conn_process(struct conn *c)
{
    bool more = true;
    c->processing = true;
    for (int i = 0; i < TURNS && more; i++)
        more = conn_step(c) && is_receiving(c);
    c->processing = false;
    return !more;
}

/* What TLS holds in its own buffer brings no event of its own: read on until there is nothing left. */
static void receive(struct conn *c)
{
    for (int i = 0; i < TURNS; i++) {
        if (!conn_read(c) && !(c->state == CONN_HEAD && c->in.len > 0))
            return;
        if (!conn_process(c))
            break;
        if (!is_receiving(c) || !transport_has_buffered(&c->transport))
            return;
    }
    conn_kick(c);
}

/* Bytes while a request is being worked on: kept up to a limit, then left in the socket. */
static void read_ahead(struct conn *c)
{
    if (c->in.len >= READ_AHEAD || c->peer_ended)
        conn_want(c, 0);
    else
        conn_read(c);
    if (c->fiber != NULL && c->request.ends_with_peer && (c->peer_ended || c->state == CONN_CLOSED))
        fiber_cancel(c->fiber);
}

static void read_and_drop(struct conn *c)
{
    int wants = EV_READ;
    ssize_t n = 1;
    for (int i = 0; i < TURNS && n > 0; i++)
        n = transport_read(&c->transport, scratch, sizeof(scratch), &wants);
    if (n == -EAGAIN)
        conn_want(c, wants);
    else if (n <= 0)
        conn_destroy(c);
}

static void handshake(struct conn *c)
{
    int wants = EV_READ, r = transport_handshake(&c->transport, &wants);
    if (r == -EAGAIN) {
        conn_want(c, wants);
    } else if (r < 0) {
        conn_destroy(c);
    } else {
        c->state = CONN_HEAD;
        c->request.ssl = c->transport.ssl;
        conn_want(c, EV_READ);
        if (transport_has_buffered(&c->transport))
            conn_kick(c);
    }
}

/* Do what the connection's state asks for. */
static void conn_go_on(struct conn *c)
{
    switch (c->state) {
    case CONN_HANDSHAKE:
        handshake(c);
        break;
    case CONN_HEAD:
    case CONN_BODY:
        receive(c);
        break;
    case CONN_BUSY:
        read_ahead(c);
        break;
    case CONN_REPLY:
        conn_flush(c);
        break;
    case CONN_LINGER:
        read_and_drop(c);
        break;
    case CONN_RAW:
    case CONN_CLOSED:
        break;
    }
}

static void conn_ready(struct ev_loop *loop, ev_io *w, int revents)
{
    struct conn *c = w->data;
    conn_hold(c);
    conn_go_on(c);
    conn_release(c);
}

/*
 * Go on with a connection in the next turn of the loop, though its socket has nothing new. An idle watcher
 * keeps the loop from sleeping; an event fed to the loop would not, when it is fed by a fiber.
 */
static void conn_kick(struct conn *c)
{
    if (c->kicked)
        return;
    c->kicked = true;
    conn_hold(c);
    STAILQ_INSERT_TAIL(&c->server->kicked, c, kick_link);
    ev_idle_start(loop_get(), &c->server->kick);
}

void server_run_kicked(struct http_server *s)
{
    STAILQ_HEAD(, conn) now = STAILQ_HEAD_INITIALIZER(now);
    struct conn *c;
    ev_idle_stop(loop_get(), &s->kick);
    STAILQ_CONCAT(&now, &s->kicked);
    while ((c = STAILQ_FIRST(&now)) != NULL) {
        STAILQ_REMOVE_HEAD(&now, kick_link);
        c->kicked = false;
        conn_go_on(c);
        conn_release(c);
    }
}

/* ---- time ---- */

static void conn_expired(struct conn *c)
{
    if (c->state == CONN_BODY && c->body.len - c->body_seen >= SLOW_BODY_BYTES) {
        c->body_seen = c->body.len;
        conn_set_deadline(c, c->server->limits.header_timeout_ms);
    } else if (c->state == CONN_BODY || (c->state == CONN_HEAD && c->in.len > 0)) {
        dispatch_error(c, 408, "the request took too long to arrive");
    } else if (c->state != CONN_BUSY && c->state != CONN_RAW) {
        conn_destroy(c);
    }
}

static void conn_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct conn *c = w->data;
    int64_t left = c->deadline - clock_now();
    if (c->state == CONN_BUSY || c->state == CONN_RAW)
        return;
    if (left > 0) {
        ev_timer_set(w, (double)left / 1e9, 0);
        ev_timer_start(loop, w);
        return;
    }
    conn_hold(c);
    conn_expired(c);
    conn_release(c);
}

/* ---- birth ---- */

struct conn *conn_start(struct http_server *s, const struct listener *l, struct peer *peer, int fd,
                        const char *local_address, bool local_root)
{
    struct conn *c = mem_zalloc(sizeof(*c));
    c->server = s;
    c->peer = peer;
    c->local_root = local_root;
    snprintf(c->local_address, sizeof(c->local_address), "%s", local_address);
    transport_init(&c->transport, fd, l->tls != NULL ? tls_server_context(l->tls) : NULL, true);
    c->state = l->tls != NULL ? CONN_HANDSHAKE : CONN_HEAD;
    ev_io_init(&c->io, conn_ready, fd, EV_READ);
    c->io.data = c;
    ev_timer_init(&c->timer, conn_timer, 0, 0);
    c->timer.data = c;
    TAILQ_INSERT_TAIL(&s->conns, c, link);
    c->head_begun = true;
    conn_set_deadline(c, s->limits.header_timeout_ms);
    ev_io_start(loop_get(), &c->io);
    return c;
}
