#include "rpc/client.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "rpc/client_connect.h"
#include "rpc/encode.h"
#include "rpc/http_head.h"
#include "rpc/request.h"
#include "rpc/splice.h"

enum {
    READ_SIZE = 16 * 1024,
    MAX_HEAD = 64 * 1024,
    MAX_REPLY = 512 * 1024 * 1024,
    CONNECT_MS = 10 * 1000,
};

/* A connection and what was read from it beyond what was asked for. */
struct link {
    struct transport transport; /* fd -1: none */
    struct buf in;
};

struct rpc_client {
    struct rpc_client_options options;
    struct link link;
    SSL_SESSION *session; /* of the last connection, to be resumed */
    bool had_contact;
    const char *distrust; /* of the server's certificate in the last connection; NULL: none */
    void (*interim)(const struct http_head *h, void *arg);
    void *interim_arg;
    int64_t last_deadline; /* of an exchange whose fiber was cancelled; 0: not yet */
};

struct client_stream {
    struct link link;
    int64_t length; /* of the reply's body; -1: not told */
};

/* ---- life ---- */

static const char *copy(const char *s)
{
    return s != NULL ? mem_strdup(s) : NULL;
}

struct rpc_client *rpc_client_new(const struct rpc_client_options *o)
{
    struct rpc_client *c = mem_zalloc(sizeof(*c));
    c->options = *o;
    c->options.host = copy(o->host);
    c->options.proxy_host = copy(o->proxy_host);
    c->options.proxy_headers = copy(o->proxy_headers);
    c->options.unix_path = copy(o->unix_path);
    c->options.server_name = copy(o->server_name);
    c->options.peer_name = copy(o->peer_name);
    c->options.user_agent = copy(o->user_agent);
    c->options.headers = copy(o->headers);
    c->link.transport.fd = -1;
    if (c->options.connect_timeout_ms == 0)
        c->options.connect_timeout_ms = CONNECT_MS;
    return c;
}

static void link_close(struct link *l)
{
    if (l->transport.fd >= 0)
        transport_end_output(&l->transport);
    transport_close(&l->transport);
    buf_free(&l->in);
}

void rpc_client_free(struct rpc_client *c)
{
    if (c == NULL)
        return;
    link_close(&c->link);
    SSL_SESSION_free(c->session);
    free((char *)(uintptr_t)c->options.host);
    free((char *)(uintptr_t)c->options.proxy_host);
    free((char *)(uintptr_t)c->options.proxy_headers);
    free((char *)(uintptr_t)c->options.unix_path);
    free((char *)(uintptr_t)c->options.server_name);
    free((char *)(uintptr_t)c->options.peer_name);
    free((char *)(uintptr_t)c->options.user_agent);
    free((char *)(uintptr_t)c->options.headers);
    free(c);
}

/* Keep what the server gave for the next connection; with TLS 1.3 it comes only after the handshake. */
static void keep_session(struct rpc_client *c)
{
    SSL *ssl = c->link.transport.ssl;
    SSL_SESSION *session = ssl != NULL ? SSL_get1_session(ssl) : NULL;
    if (session == NULL || !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        return;
    }
    SSL_SESSION_free(c->session);
    c->session = session;
}

/* ---- one exchange; results are -errno ---- */

struct exchange {
    const char *method, *target, *extra_headers;
    const void *body;
    size_t body_len;
    bool close; /* the connection is not to be kept */
    size_t max_body;
    bool answered; /* a byte of the reply has come */
    struct http_head head;
};

static void write_head(const struct rpc_client *c, const struct exchange *x, struct buf *out)
{
    const struct rpc_client_options *o = &c->options;
    const char *host = o->unix_path != NULL ? "localhost" : o->host;
    bool six = strchr(host, ':') != NULL;
    buf_printf(out, "%s %s HTTP/1.1\r\nhost: %s%s%s\r\n", x->method, x->target, six ? "[" : "", host,
               six ? "]" : "");
    if (o->user_agent != NULL)
        buf_printf(out, "user-agent: %s\r\n", o->user_agent);
    if (o->headers != NULL)
        buf_add_str(out, o->headers);
    if (o->add_headers != NULL)
        o->add_headers(out, o->add_headers_arg);
    if (x->close)
        buf_add_lit(out, "connection: close\r\n");
    if (x->extra_headers != NULL)
        buf_add_str(out, x->extra_headers);
    if (!x->close && (x->body != NULL || strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0))
        buf_printf(out, "content-length: %zu\r\n", x->body_len);
    buf_add_lit(out, "\r\n");
}

const char *rpc_client_distrust(const struct rpc_client *c)
{
    return c->distrust;
}

bool rpc_client_had_contact(const struct rpc_client *c)
{
    return c->had_contact;
}

void rpc_client_set_interim(struct rpc_client *c, void (*fn)(const struct http_head *h, void *arg), void *arg)
{
    c->interim = fn;
    c->interim_arg = arg;
}

static int64_t reply_deadline(const struct rpc_client *c)
{
    if (c->last_deadline != 0)
        return c->last_deadline;
    return c->options.reply_timeout_ms > 0 ? clock_in_ms(c->options.reply_timeout_ms) : CLOCK_NEVER;
}

static int co_send_request(const struct rpc_client *c, struct link *l, const struct exchange *x)
{
    enum { SMALL = 16 * 1024 };
    CLEANUP_BUF struct buf out = {0};
    write_head(c, x, &out);
    bool small = x->body_len <= SMALL;
    if (small)
        buf_add(&out, x->body, x->body_len);
    int r = co_transport_write(&l->transport, out.data, out.len, reply_deadline(c));
    if (r == 0 && !small)
        r = co_transport_write(&l->transport, x->body, x->body_len, reply_deadline(c));
    return r;
}

/* Read on; 0 at the end of the stream. */
static ssize_t co_read_more(const struct rpc_client *c, struct link *l, struct buf *into)
{
    char *at = buf_reserve(into, READ_SIZE);
    ssize_t n = co_transport_read(&l->transport, at, READ_SIZE, reply_deadline(c));
    if (n > 0)
        into->len += (size_t)n;
    return n;
}

/* The head of the final reply, on ctx; those of interim ones are passed over. */
static int co_read_head(const struct rpc_client *c, void *ctx, struct link *l, struct exchange *x)
{
    size_t scanned = 0;
    for (;;) {
        size_t length = http_head_find(l->in.data, l->in.len, &scanned);
        if (length > 0) {
            int r = http_head_parse_reply(ctx, l->in.data, length, &x->head);
            buf_consume(&l->in, length);
            scanned = 0;
            if (r < 0 || x->head.status >= 200 || x->head.status == 101)
                return r;
            if (c->interim != NULL)
                c->interim(&x->head, c->interim_arg);
            continue;
        }
        if (l->in.len > MAX_HEAD)
            return -EMSGSIZE;
        ssize_t n = co_read_more(c, l, &l->in);
        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        x->answered = true;
    }
}

static bool has_no_body(const struct exchange *x)
{
    return x->head.status == 204 || x->head.status == 304 || strcmp(x->method, "HEAD") == 0;
}

/* Append the body to out: as long as its header says, or until the connection ends. */
static int co_read_body(const struct rpc_client *c, struct link *l, const struct exchange *x, struct buf *out)
{
    bool sized = x->head.content_length >= 0;
    if (has_no_body(x))
        return 0;
    if (x->head.has_transfer_encoding)
        return -EPROTONOSUPPORT;
    if (sized && (uint64_t)x->head.content_length > x->max_body)
        return -EMSGSIZE;
    size_t due = sized ? (size_t)x->head.content_length : SIZE_MAX, have = l->in.len < due ? l->in.len : due;
    buf_add(out, l->in.data, have);
    buf_consume(&l->in, have);
    while (have < due && have <= x->max_body) {
        size_t before = out->len;
        ssize_t n = co_read_more(c, l, out);
        if (n <= 0)
            return n < 0 ? (int)n : sized ? -ECONNRESET : 0; /* the end is where it ends */
        size_t extra = (size_t)n > due - have ? (size_t)n - (due - have) : 0;
        buf_add(&l->in, out->data + out->len - extra, extra);
        out->len -= extra;
        have += out->len - before;
    }
    return have <= x->max_body ? 0 : -EMSGSIZE;
}

/* The fiber was cancelled: let the server see that, and hear what became of the request. */
static int co_read_last(struct rpc_client *c, void *ctx, struct link *l, struct exchange *x, struct buf *body)
{
    fiber_mask_cancel();
    transport_end_output(&l->transport);
    c->last_deadline = clock_in_ms(c->options.cancelled_reply_ms);
    int r = co_read_head(c, ctx, l, x);
    if (r == 0)
        r = co_read_body(c, l, x, body);
    c->last_deadline = 0;
    x->head.keep_alive = false;
    fiber_unmask_cancel();
    return r;
}

static int co_read_reply(struct rpc_client *c, void *ctx, struct link *l, struct exchange *x,
                         struct buf *body)
{
    int r = co_read_head(c, ctx, l, x);
    if (r == -ECANCELED && c->options.cancelled_reply_ms > 0)
        return co_read_last(c, ctx, l, x, body);
    return r < 0 ? r : co_read_body(c, l, x, body);
}

static int co_exchange_on(struct rpc_client *c, void *ctx, struct link *l, struct exchange *x,
                          struct buf *body)
{
    int r = co_send_request(c, l, x);
    /* A server that refuses may have answered before it took everything. */
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        return r;
    int sent = r;
    r = co_read_reply(c, ctx, l, x, body);
    if (sent < 0)
        x->head.keep_alive = false;
    return sent < 0 && x->head.status == 0 ? sent : r;
}

/* Has the server ended a connection that lies idle, or sent what nobody asked for? */
static bool is_stale(struct link *l)
{
    char byte;
    int wants;
    return l->in.len > 0 || transport_read(&l->transport, &byte, 1, &wants) != -EAGAIN;
}

static int co_make_link(struct rpc_client *c)
{
    int r = co_client_connect(&c->options, c->session, clock_in_ms(c->options.connect_timeout_ms),
                              &c->link.transport, &c->distrust);
    c->had_contact = c->had_contact || r == 0;
    return r;
}

static bool worth_repeating(const struct rpc_client *c, int r)
{
    return !c->options.send_once && r < 0 && r != -ECANCELED && r != -ETIMEDOUT;
}

static int co_exchange(struct rpc_client *c, void *ctx, struct exchange *x, struct buf *body)
{
    if (c->link.transport.fd >= 0 && is_stale(&c->link))
        link_close(&c->link);
    bool reused = c->link.transport.fd >= 0;
    c->had_contact = reused;
    int r = reused ? 0 : co_make_link(c);
    if (r == 0)
        r = co_exchange_on(c, ctx, &c->link, x, body);
    if (reused && !x->answered && worth_repeating(c, r)) {
        link_close(&c->link);
        r = co_make_link(c);
        if (r == 0)
            r = co_exchange_on(c, ctx, &c->link, x, body);
    }
    if (r == 0)
        keep_session(c);
    if (r < 0 || !x->head.keep_alive || (x->head.content_length < 0 && !has_no_body(x)))
        link_close(&c->link);
    return r;
}

/* ---- what callers see ---- */

/* "cannot contact NAME: reason" */
static int contact_error(const struct rpc_client *c, int r, struct err *e)
{
    const struct rpc_client_options *o = &c->options;
    if (o->unix_path != NULL)
        return err_internal(e, "cannot contact %s: %s", o->unix_path, strerror(-r));
    if (r == -EKEYREJECTED)
        return err_internal(e, "the certificate of %s port %u is not believed: %s", o->host, o->port,
                            c->distrust);
    return err_internal(e, "cannot contact %s port %u: %s", o->host, o->port, strerror(-r));
}

int co_http_exchange_head(struct rpc_client *c, void *ctx, const char *method, const char *target,
                          const char *extra_headers, const void *body, size_t body_len, size_t max_body,
                          struct http_head *ret_head, struct buf *ret_body, struct err *e)
{
    struct exchange x = {.method = method,
                         .target = target,
                         .extra_headers = extra_headers,
                         .body = body,
                         .body_len = body_len,
                         .max_body = max_body};
    int r = co_exchange(c, ctx, &x, ret_body);
    if (r < 0)
        return contact_error(c, r, e);
    *ret_head = x.head;
    return 0;
}

int co_http_exchange(struct rpc_client *c, const char *method, const char *target, const char *extra_headers,
                     const void *body, size_t body_len, size_t max_body, unsigned *ret_status,
                     struct buf *ret_body, struct err *e)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct http_head head;
    int r = co_http_exchange_head(c, ctx, method, target, extra_headers, body, body_len, max_body, &head,
                                  ret_body, e);
    if (r == 0)
        *ret_status = head.status;
    return r;
}

static void encode_call(struct buf *out, const char *method, const struct wire *params, uint32_t n)
{
    struct enc enc = {.out = out, .format = ENC_XML};
    enc_call_begin(&enc, method);
    for (uint32_t i = 0; i < n; i++) {
        enc_param_begin(&enc);
        enc_wire(&enc, &params[i]);
        enc_param_end(&enc);
    }
    enc_call_end(&enc);
}

int co_rpc_call(struct rpc_client *c, void *ctx, const char *method, const struct wire *params, uint32_t n,
                struct wire *ret, int *ret_errno, struct err *e)
{
    return co_rpc_call_at(c, ctx, "/RPC2", method, params, n, ret, ret_errno, e);
}

int co_rpc_call_at(struct rpc_client *c, void *ctx, const char *target, const char *method,
                   const struct wire *params, uint32_t n, struct wire *ret, int *ret_errno, struct err *e)
{
    CLEANUP_TALLOC void *own = talloc_new(NULL);
    CLEANUP_BUF struct buf call = {0};
    CLEANUP_BUF struct buf reply = {0};
    encode_call(&call, method, params, n);
    struct exchange x = {.method = "POST",
                         .target = target,
                         .extra_headers = "content-type: text/xml\r\n",
                         .body = call.data,
                         .body_len = call.len,
                         .max_body = MAX_REPLY};
    int r = co_exchange(c, own, &x, &reply);
    if (ret_errno != NULL)
        *ret_errno = -r;
    if (r < 0)
        return contact_error(c, r, e);
    if (x.head.status != 200)
        return err_internal(e, "%s was answered with HTTP status %u", method, x.head.status);
    return rpc_reply_parse_xml(ctx, reply.data, reply.len, ret, e);
}

/* ---- streams ---- */

static struct client_stream *co_connect_stream(struct rpc_client *c, int *ret)
{
    struct client_stream *s = mem_zalloc(sizeof(*s));
    int64_t deadline = clock_in_ms(c->options.connect_timeout_ms);
    *ret = co_client_connect(&c->options, c->session, deadline, &s->link.transport, &c->distrust);
    if (*ret < 0)
        s->link.transport.fd = -1;
    s->length = -1;
    return s;
}

int co_client_stream_open(struct rpc_client *c, const char *method, const char *target,
                          const char *extra_headers, struct client_stream **ret, unsigned *ret_status,
                          struct err *e)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct exchange x = {.method = method, .target = target, .extra_headers = extra_headers, .close = true};
    int r;
    struct client_stream *s = co_connect_stream(c, &r);
    if (r == 0)
        r = co_send_request(c, &s->link, &x);
    if (r == 0)
        r = co_read_head(c, ctx, &s->link, &x);
    if (r < 0) {
        client_stream_close(s);
        return contact_error(c, r, e);
    }
    s->length = x.head.content_length;
    *ret = s;
    *ret_status = x.head.status;
    return 0;
}

int co_client_stream_begin(struct rpc_client *c, const void *head, size_t n, struct client_stream **ret,
                           struct err *e)
{
    int r;
    struct client_stream *s = co_connect_stream(c, &r);
    if (r == 0)
        r = co_transport_write(&s->link.transport, head, n, reply_deadline(c));
    if (r < 0) {
        client_stream_close(s);
        return contact_error(c, r, e);
    }
    *ret = s;
    return 0;
}

void client_stream_end_output(struct client_stream *s)
{
    transport_end_output(&s->link.transport);
}

int64_t client_stream_length(const struct client_stream *s)
{
    return s->length;
}

ssize_t co_client_stream_read(struct client_stream *s, void *bytes, size_t size, int64_t deadline)
{
    struct buf *in = &s->link.in;
    if (in->len == 0)
        return co_transport_read(&s->link.transport, bytes, size, deadline);
    size_t n = in->len < size ? in->len : size;
    memcpy(bytes, in->data, n);
    buf_consume(in, n);
    return (ssize_t)n;
}

int co_client_stream_write(struct client_stream *s, const void *bytes, size_t n, int64_t deadline)
{
    return co_transport_write(&s->link.transport, bytes, n, deadline);
}

int client_stream_fd(const struct client_stream *s)
{
    return s->link.transport.fd;
}

bool client_stream_has_buffered(const struct client_stream *s)
{
    return s->link.in.len > 0 || transport_has_buffered(&s->link.transport);
}

int co_client_stream_splice(struct client_stream *s, int fd, int64_t idle_ms)
{
    return co_splice(&s->link.transport, &s->link.in, fd, idle_ms);
}

void client_stream_close(struct client_stream *s)
{
    if (s == NULL)
        return;
    link_close(&s->link);
    free(s);
}
