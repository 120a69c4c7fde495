#include "xapid/transfer/web.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
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

enum { REDIRECTIONS_MAX = 5, HEAD_MAX = 64 * 1024, CONNECT_MS = 30 * 1000, SILENCE_MS = 5 * 60 * 1000 };

struct web {
    void *mem; /* the caller's */
    SSL_CTX *tls;
    struct client_stream *stream;
    struct buf ahead; /* of the body, what came with the head */
    struct http_head head;
};

/* ---- the request ---- */

static void add_credentials(struct buf *out, const char *credentials)
{
    size_t n = strlen(credentials);
    CLEANUP_FREE unsigned char *text = mem_zalloc(n * 2 + 8);

    EVP_EncodeBlock(text, (const unsigned char *)credentials, (int)n);
    buf_printf(out, "authorization: Basic %s\r\n", (const char *)text);
}

/* Ports are left out where they are the usual ones: some servers compare names with them. */
static void write_request(const struct url *u, struct buf *out)
{
    bool six = strchr(u->host, ':') != NULL;

    buf_printf(out, "GET %s HTTP/1.0\r\nhost: %s%s%s", u->target, six ? "[" : "", u->host, six ? "]" : "");
    if (u->port != (u->tls ? 443 : 80))
        buf_printf(out, ":%u", u->port);
    buf_add_lit(out, "\r\nuser-agent: " PACKAGE_STRING "\r\naccept: */*\r\naccept-encoding: identity\r\n");
    if (u->credentials)
        add_credentials(out, u->credentials);
    buf_add_lit(out, "connection: close\r\n\r\n");
}

static int co_send(struct web *w, const struct url *u, struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    CLEANUP_BUF struct buf head = {0};
    struct rpc_client_options o = {.host = u->host,
                                   .port = u->port,
                                   .tls = u->tls,
                                   .tls_context = w->tls,
                                   .connect_timeout_ms = CONNECT_MS,
                                   .reply_timeout_ms = SILENCE_MS};
    struct rpc_client *c = rpc_client_new(&o);

    write_request(u, &head);
    int r = co_client_stream_begin(c, head.data, head.len, &w->stream, &why);
    rpc_client_free(c);
    if (r < 0)
        return err_import_error(e, why.n_params > 0 ? why.params[0] : why.code);
    return 0;
}

/* ---- the reply's head ---- */

static int failed(int r, const struct url *u, struct err *e)
{
    CLEANUP_BUF struct buf why = {0};

    buf_printf(&why, "%s port %u: %s", u->host, u->port,
               r == -ETIMEDOUT ? "there is no answer" : "the answer is not that of a web server");
    return err_import_error(e, buf_cstr(&why));
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
    CLEANUP_BUF struct buf why = {0};
    const char *location = http_head_get(&w->head, "location"), *to;
    struct url next = {0};

    if (w->head.status == 200)
        return 0;
    if (!is_redirection(w->head.status) || !location) {
        buf_printf(&why, "%s port %u answers with status %u", u->host, u->port, w->head.status);
        return err_import_error(e, buf_cstr(&why));
    }
    to = url_resolve(w->mem, u, location);
    if (!to || !url_parse(w->mem, to, &next) || (u->tls && !next.tls)) {
        buf_printf(&why, "%s port %u sends us to where we do not go: %s", u->host, u->port, location);
        return err_import_error(e, buf_cstr(&why));
    }
    if (!next.credentials && strcmp(next.host, u->host) == 0 && next.port == u->port)
        next.credentials = u->credentials;
    *u = next;
    return 1;
}

/* ---- what callers see ---- */

static int co_find(struct web *w, struct url *u, struct err *e)
{
    for (unsigned n = 0; n <= REDIRECTIONS_MAX; n++) {
        int r = co_send(w, u, e) < 0 || co_read_head(w, u, e) < 0 ? -1 : follow(w, u, e);
        if (r <= 0)
            return r;
        client_stream_close(w->stream);
        w->stream = NULL;
    }
    return err_import_error(e, "the URL leads from one place to another without end");
}

int co_web_get(struct xapid *x, void *mem, const char *url, struct web **ret, struct err *e)
{
    struct url u;

    if (!url_parse(mem, url, &u))
        return err_invalid_value(e, "url", url);
    struct web *w = mem_zalloc(sizeof *w);
    w->mem = mem;
    w->tls = verify_servers(x);
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

void web_close(struct web *w)
{
    if (!w)
        return;
    client_stream_close(w->stream);
    buf_free(&w->ahead);
    SSL_CTX_free(w->tls);
    free(w);
}
