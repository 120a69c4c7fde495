#include "xapid/transfer/web.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "config.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "rpc/client.h"
#include "rpc/http_head.h"
#include "rpc/url.h"
#include "xapid/certificate/verify.h"

enum {
    REDIRECTIONS_MAX = 5,
    HEAD_MAX = 64 * 1024,
    CONNECT_MS = 30 * 1000,
    SILENCE_MS = 5 * 60 * 1000,
    PIECE = 256 * 1024
};

struct web {
    void *mem; /* the caller's */
    SSL_CTX *tls;
    struct client_stream *stream;
    struct buf ahead; /* of the body, what came with the head */
    struct http_head head;
};

/* ---- the request ---- */

/* Where and how. */
struct request {
    const char *method, *more; /* more header lines */
    struct url url, proxy;     /* proxy.host NULL: none */
};

static void add_credentials(struct buf *out, const char *header, const char *credentials)
{
    size_t n = strlen(credentials);
    CLEANUP_FREE unsigned char *text = mem_zalloc(n * 2 + 8);

    EVP_EncodeBlock(text, (const unsigned char *)credentials, (int)n);
    buf_printf(out, "%s: Basic %s\r\n", header, (const char *)text);
}

/* Ports are left out where they are the usual ones: some servers compare names with them. */
static void add_host(struct buf *out, const struct url *u)
{
    bool six = strchr(u->host, ':') != NULL;

    buf_printf(out, "%s%s%s", six ? "[" : "", u->host, six ? "]" : "");
    if (u->port != (u->tls ? 443 : 80))
        buf_printf(out, ":%u", u->port);
}

static void write_request(const struct request *q, struct buf *out)
{
    const struct url *u = &q->url;
    bool whole = q->proxy.host && !u->tls;

    buf_printf(out, "%s %s", q->method, whole ? "http://" : "");
    if (whole)
        add_host(out, u);
    buf_printf(out, "%s HTTP/1.0\r\nhost: ", u->target);
    add_host(out, u);
    buf_add_lit(out, "\r\nuser-agent: " PACKAGE_STRING "\r\naccept: */*\r\naccept-encoding: identity\r\n");
    if (u->credentials)
        add_credentials(out, "authorization", u->credentials);
    if (whole && q->proxy.credentials)
        add_credentials(out, "proxy-authorization", q->proxy.credentials);
    buf_printf(out, "%sconnection: close\r\n\r\n", q->more);
}

static int co_send(struct web *w, const struct request *q, struct err *e)
{
    CLEANUP_BUF struct buf head = {0}, proxy = {0};
    const struct url *u = &q->url;
    struct rpc_client_options o = {.host = u->host,
                                   .port = u->port,
                                   .proxy_host = q->proxy.host,
                                   .proxy_port = q->proxy.port,
                                   .tls = u->tls,
                                   .tls_context = w->tls,
                                   .connect_timeout_ms = CONNECT_MS,
                                   .reply_timeout_ms = SILENCE_MS};

    if (q->proxy.credentials)
        add_credentials(&proxy, "proxy-authorization", q->proxy.credentials);
    o.proxy_headers = buf_cstr(&proxy);
    struct rpc_client *c = rpc_client_new(&o);
    write_request(q, &head);
    int r = co_client_stream_begin(c, head.data, head.len, &w->stream, e);
    rpc_client_free(c);
    return r;
}

/* ---- the reply's head ---- */

static int failed(int r, const struct url *u, struct err *e)
{
    return err_internal(e, "%s port %u: %s", u->host, u->port,
                        r == -ETIMEDOUT ? "there is no answer" : "the answer is not that of a web server");
}

static int co_read_head(struct web *w, const struct url *u, struct err *e)
{
    size_t scanned = 0, length;

    buf_reset(&w->ahead);
    while ((length = http_head_find(w->ahead.data, w->ahead.len, &scanned)) == 0) {
        char *at = buf_reserve(&w->ahead, HEAD_MAX);
        ssize_t n = w->ahead.len > HEAD_MAX
                        ? -EMSGSIZE
                        : co_client_stream_read(w->stream, at, HEAD_MAX, clock_in_ms(SILENCE_MS));
        if (n <= 0)
            return failed((int)n, u, e);
        w->ahead.len += (size_t)n;
    }
    int r = http_head_parse_reply(w->mem, w->ahead.data, length, &w->head);
    buf_consume(&w->ahead, length);
    return r < 0 || w->head.has_transfer_encoding ? failed(-EPROTO, u, e) : 0;
}

static bool is_redirection(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where to go next: 1 with *u; 0: it is here. Credentials are for who was named with them. */
static int follow(struct web *w, struct url *u, struct err *e)
{
    const char *location = http_head_get(&w->head, "location"), *to;
    struct url next = {0};

    if (w->head.status == 200)
        return 0;
    if (!is_redirection(w->head.status) || !location)
        return err_internal(e, "%s port %u answers with status %u", u->host, u->port, w->head.status);
    to = url_resolve(w->mem, u, location);
    if (!to || !url_parse(w->mem, to, &next) || (u->tls && !next.tls))
        return err_internal(e, "%s port %u sends us to where we do not go: %s", u->host, u->port, location);
    if (!next.credentials && strcmp(next.host, u->host) == 0 && next.port == u->port)
        next.credentials = u->credentials;
    *u = next;
    return 1;
}

/* ---- what callers see ---- */

static int co_find(struct web *w, struct url *u, struct err *e)
{
    struct request q = {.method = "GET", .more = ""};

    for (unsigned n = 0; n <= REDIRECTIONS_MAX; n++) {
        q.url = *u;
        int r = co_send(w, &q, e) < 0 || co_read_head(w, u, e) < 0 ? -1 : follow(w, u, e);
        if (r <= 0)
            return r;
        client_stream_close(w->stream);
        w->stream = NULL;
    }
    return err_internal(e, "the URL leads from one place to another without end");
}

bool web_is_url(void *mem, const char *text)
{
    struct url u;

    return url_parse(mem, text, &u);
}

static struct web *web_new(struct xapid *x, void *mem)
{
    struct web *w = mem_zalloc(sizeof *w);

    w->mem = mem;
    w->tls = verify_servers(x);
    return w;
}

int co_web_get(struct xapid *x, void *mem, const char *url, struct web **ret, struct err *e)
{
    struct url u;

    if (!url_parse(mem, url, &u))
        return err_invalid_value(e, "url", url);
    struct web *w = web_new(x, mem);
    if (co_find(w, &u, e) < 0) {
        web_close(w);
        return -1;
    }
    *ret = w;
    return 0;
}

int64_t web_length(const struct web *w)
{
    return w->head.content_length;
}

ssize_t co_web_read(struct web *w, void *bytes, size_t n)
{
    size_t have = w->ahead.len < n ? w->ahead.len : n;

    if (have == 0)
        return co_client_stream_read(w->stream, bytes, n, clock_in_ms(SILENCE_MS));
    memcpy(bytes, w->ahead.data, have);
    buf_consume(&w->ahead, have);
    return (ssize_t)have;
}

/* ---- sending ---- */

struct piece {
    int fd;
    char *bytes;
    size_t n;
};

static int read_piece(void *arg)
{
    struct piece *p = arg;
    ssize_t n = read(p->fd, p->bytes, p->n);

    return n < 0 ? -errno : n == 0 ? -EIO : (int)n;
}

/* 0 also when the server takes no more: it says why. */
static int co_send_file(struct web *w, int fd, int64_t size, void (*progress)(double done, void *arg),
                        void *arg, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);

    for (int64_t sent = 0; sent < size;) {
        struct piece p = {fd, bytes, size - sent < PIECE ? (size_t)(size - sent) : PIECE};
        int n = co_run_worker(read_piece, &p, "reading what is sent to a web server");
        if (n < 0)
            return err_errno(e, n, "reading what is sent");
        int r = co_client_stream_write(w->stream, bytes, (size_t)n, clock_in_ms(SILENCE_MS));
        if (r == -EPIPE || r == -ECONNRESET)
            return 0;
        if (r < 0)
            return err_errno(e, r, "sending to a web server");
        sent += n;
        if (progress)
            progress((double)sent / (double)size, arg);
    }
    return 0;
}

static int co_put(struct web *w, const struct request *q, int fd, int64_t size,
                  void (*progress)(double done, void *arg), void *arg, struct err *e)
{
    if (co_send(w, q, e) < 0 || co_send_file(w, fd, size, progress, arg, e) < 0 ||
        co_read_head(w, &q->url, e) < 0)
        return -1;
    if (w->head.status / 100 == 2)
        return 0;
    return err_internal(e, "%s port %u answers with status %u", q->url.host, q->url.port, w->head.status);
}

int co_web_put(struct xapid *x, void *mem, const char *url, const char *proxy, int fd, int64_t size,
               void (*progress)(double done, void *arg), void *arg, struct err *e)
{
    struct request q = {.method = "PUT"};

    if (!url_parse(mem, url, &q.url))
        return err_invalid_value(e, "url", url);
    if (proxy && (!url_parse(mem, proxy, &q.proxy) || q.proxy.tls))
        return err_invalid_value(e, "http_proxy", proxy);
    q.more = talloc_asprintf(mem, "content-type: application/octet-stream\r\ncontent-length: %lld\r\n",
                             (long long)size);
    struct web *w = web_new(x, mem);
    int r = co_put(w, &q, fd, size, progress, arg, e);
    web_close(w);
    return r;
}

void web_close(struct web *w)
{
    if (!w)
        return;
    client_stream_close(w->stream);
    buf_free(&w->ahead);
    SSL_CTX_free(w->tls);
    free(w);
}
