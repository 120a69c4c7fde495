/* A request's way from its header to its handler and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/log.h"
#include "lib/mem.h"
#include "rpc/http_private.h"

enum {
    POOL_SIZE = 8192,
    SMALL_BODY = 64 * 1024, /* not counted against the sum of all */
};

void dispatch_error(struct conn *c, unsigned status, const char *text)
{
    buf_free(&c->reply.body);
    c->reply = (struct http_reply){0};
    http_reply_error(&c->request, &c->reply, status, text);
    conn_send_reply(c);
}

/* ---- where a request goes ---- */

/* The longest prefix that fits; NULL with *ret_method_known telling whether any route has the method. */
static const struct http_route *find_route(const struct http_route *routes, const char *method,
                                           const char *path, bool *ret_method_known)
{
    const struct http_route *best = NULL;
    size_t best_length = 0;
    *ret_method_known = false;
    for (const struct http_route *r = routes; r->method != NULL; r++) {
        if (r->method[0] != method[0] || strcmp(r->method, method) != 0)
            continue;
        size_t length = strlen(r->prefix);
        *ret_method_known = true;
        if ((best == NULL || length > best_length) && strncmp(path, r->prefix, length) == 0) {
            best = r;
            best_length = length;
        }
    }
    return best;
}

static bool method_has_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
}

/* Bodies of ordinary requests are read here, so their length must be known and bearable. */
static bool refuse_body(struct conn *c, const struct http_head *h)
{
    if (h->has_transfer_encoding || (h->content_length < 0 && method_has_body(h->method))) {
        dispatch_error(c, 411,
                       "the request's content-length must be given; chunked requests are not supported");
        return true;
    }
    if (h->content_length > 0 && (uint64_t)h->content_length > c->server->limits.max_body) {
        dispatch_error(c, 413, "the request's body is too large");
        return true;
    }
    if (h->content_length <= SMALL_BODY)
        return false;
    c->body_counted = (size_t)h->content_length;
    c->server->bodies += c->body_counted;
    if (c->server->bodies <= c->server->limits.max_bodies)
        return false;
    dispatch_error(c, 503, "too many large requests at the same time");
    return true;
}

/* A client that asks first is told to go on; when the socket is full it has not asked in earnest. */
static void send_continue(struct conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    int wants;
    transport_write(&c->transport, text, sizeof(text) - 1, &wants);
}

void http_send_interim(struct http_request *r, const char *name, const char *value)
{
    struct conn *c = (struct conn *)(void *)((char *)r - offsetof(struct conn, request));
    CLEANUP_BUF struct buf out = {0};
    int wants;
    if (c->state != CONN_BUSY)
        return;
    buf_printf(&out, "HTTP/1.1 102 Processing\r\n%s: %s\r\n\r\n", name, value);
    transport_write(&c->transport, out.data, out.len, &wants);
}

static void begin_body(struct conn *c, const struct http_head *h)
{
    c->body_expected = h->content_length > 0 ? (size_t)h->content_length : 0;
    c->body_seen = 0;
    buf_reset(&c->body);
    size_t there = c->in.len < c->body_expected ? c->in.len : c->body_expected;
    buf_add(&c->body, c->in.data, there);
    buf_consume(&c->in, there);
    c->state = CONN_BODY;
    if (there == c->body_expected)
        return;
    if (h->expects_continue && there == 0)
        send_continue(c);
    conn_set_deadline(c, c->server->limits.header_timeout_ms);
}

static int fill_request(struct conn *c, const struct http_head *h)
{
    struct http_request *q = &c->request;
    q->method = h->method;
    q->raw_target = h->target;
    q->http_1_0 = h->http_1_0;
    q->n_headers = h->n_headers;
    q->headers = h->headers;
    q->local_root = c->local_root;
    q->ssl = c->transport.ssl;
    q->tls = q->ssl != NULL;
    if (c->peer != NULL)
        memcpy(q->peer_address, c->peer->address, sizeof(q->peer_address));
    memcpy(q->local_address, c->local_address, sizeof(q->local_address));
    c->keep_alive = h->keep_alive;
    if (c->server->on_request)
        c->server->on_request(q, c->server->arg);
    return http_target_parse(q->mem, h->target, q);
}

/* ---- raw handlers ---- */

/* A fiber's last words: it no longer counts, and the connection may go. */
static void fiber_leaves(struct conn *c)
{
    server_fiber_gone(c->server);
    conn_release(c);
}

static void fiber_enters(struct conn *c, fiber_fn *co_fn)
{
    conn_hold(c);
    c->server->n_fibers++;
    c->fiber = fiber_spawn(c->route->prefix, co_fn, c);
}

static void co_raw(void *arg)
{
    struct conn *c = arg;
    struct http_stream stream = {.conn = c};
    c->route->co_raw(&c->request, &stream, c->server->arg);
    talloc_free(c->request.mem);
    c->request = (struct http_request){0};
    c->fiber = NULL;
    if (c->state == CONN_RAW)
        conn_linger(c);
    fiber_leaves(c);
}

static void start_raw(struct conn *c)
{
    conn_want(c, 0);
    ev_timer_stop(loop_get(), &c->timer);
    c->state = CONN_RAW;
    fiber_enters(c, co_raw);
}

static void dispatch_to_route(struct conn *c, const struct http_head *h)
{
    bool method_known;
    c->route = find_route(c->server->routes, c->request.method, c->request.path, &method_known);
    if (c->route == NULL && !method_known)
        dispatch_error(c, 501, "the method is not supported");
    else if (c->route == NULL)
        dispatch_error(c, 403, "nothing is served under this path");
    else if (c->route->co_raw != NULL)
        start_raw(c);
    else if (!refuse_body(c, h))
        begin_body(c, h);
}

void dispatch_head(struct conn *c, size_t length)
{
    struct http_head h;
    c->request = (struct http_request){.mem = talloc_pool(NULL, POOL_SIZE)};
    if (c->request.mem == NULL)
        mem_abort();
    c->keep_alive = false;
    int r = http_head_parse_request(c->request.mem, c->in.data, length, &h);
    buf_consume(&c->in, length);
    if (r == -EPROTONOSUPPORT)
        dispatch_error(c, 505, "only HTTP/1.0 and 1.1 are spoken here");
    else if (r < 0 || fill_request(c, &h) < 0)
        dispatch_error(c, 400, "the request cannot be understood");
    else if (c->refused)
        dispatch_error(c, 503, "too many connections");
    else
        dispatch_to_route(c, &h);
}

/* ---- ordinary handlers ---- */

static bool is_durable(const struct conn *c)
{
    const struct http_server *s = c->server;
    return c->reply.durable_gen == 0 || s->durable == NULL ||
           s->durable(c->reply.durable_gen, s->durable_arg);
}

/* Hold the reply back until what it tells of is on disk. */
static void co_wait_durable(struct conn *c)
{
    struct http_server *s = c->server;
    if (is_durable(c))
        return;
    int r = s->co_wait_durable(c->reply.durable_gen, s->durable_arg);
    if (r == 0)
        return;
    log_error("a reply to %s is withheld: %s", c->request.method, strerror(-r));
    buf_free(&c->reply.body);
    c->reply = (struct http_reply){0};
    if (c->route->withheld)
        c->route->withheld(&c->request, &c->reply, s->arg);
    else
        http_reply_error(&c->request, &c->reply, 500,
                         "INTERNAL_ERROR: [ the result could not be made durable ]");
}

static void co_finish(struct conn *c)
{
    co_wait_durable(c);
    c->fiber = NULL;
    if (c->state == CONN_BUSY)
        conn_send_reply(c);
    fiber_leaves(c);
}

static void co_request(void *arg)
{
    struct conn *c = arg;
    c->route->co_handle(&c->request, &c->reply, c->server->arg);
    co_finish(c);
}

static void co_reply_durably(void *arg)
{
    co_finish(arg);
}

static void start_request(struct conn *c, fiber_fn *co_fn)
{
    c->state = CONN_BUSY;
    fiber_enters(c, co_fn);
}

void dispatch_request(struct conn *c)
{
    c->request.body = buf_cstr(&c->body);
    c->request.body_len = c->body.len;
    c->reply = (struct http_reply){.body = spare_take(c->server)};
    bool answered = c->route->now != NULL && c->route->now(&c->request, &c->reply, c->server->arg);
    if (!answered) {
        spare_give(c->server, &c->reply.body);
        c->reply = (struct http_reply){0};
    }
    if (answered && is_durable(c))
        conn_send_reply(c);
    else if (answered)
        start_request(c, co_reply_durably);
    else if (c->route->co_handle != NULL)
        start_request(c, co_request);
    else
        dispatch_error(c, 500, "the request was not answered");
}
