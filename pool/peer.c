#include "pool/peer.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/clock.h"

enum { REFUSAL_MS = 10 * 1000 };

void peer_serve(struct tls_server *t, const struct authority *a)
{
    tls_server_set_named_context(t, PEER_SERVER_NAME, authority_server_context(a));
}

/* ---- who it is ---- */

/* One name out of a certificate's subject; false when it has none that is a uuid. */
static bool subject_uuid(X509 *cert, int nid, char ret[UUID_TEXT_SIZE])
{
    char text[UUID_TEXT_SIZE + 1];
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), nid, text, sizeof text);
    if (n != UUID_TEXT_SIZE - 1 || !uuid_is_valid(text))
        return false;
    memcpy(ret, text, UUID_TEXT_SIZE);
    return true;
}

/* Only a context of the pool's asks for certificates, and goes on with none that it could not verify. */
X509 *peer_certificate(const struct http_request *r)
{
    bool asked = r->ssl && SSL_get_verify_mode(r->ssl) & SSL_VERIFY_PEER;
    return asked && SSL_get_verify_result(r->ssl) == X509_V_OK ? SSL_get0_peer_certificate(r->ssl) : NULL;
}

const char *peer_name(const struct http_request *r, const char *organization)
{
    X509 *cert = peer_certificate(r);
    char uuid[UUID_TEXT_SIZE], has[UUID_TEXT_SIZE + 1];
    int n =
        cert ? X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_organizationName, has, sizeof has)
             : -1;

    if (n < 0 || strcmp(has, organization) != 0 || !subject_uuid(cert, NID_commonName, uuid))
        return NULL;
    return talloc_strdup(r->mem, uuid);
}

/* Those of hosts have a pool's uuid for an O. */
const char *peer_identify(const struct http_request *r)
{
    X509 *cert = peer_certificate(r);
    char uuid[UUID_TEXT_SIZE], pool[UUID_TEXT_SIZE];

    if (!cert || !subject_uuid(cert, NID_organizationName, pool) || !subject_uuid(cert, NID_commonName, uuid))
        return NULL;
    return talloc_strdup(r->mem, uuid);
}

/* Connections from before this host changed its pool may be open still. */
static bool is_of_pool(const struct http_request *r, const char *pool_uuid)
{
    char uuid[UUID_TEXT_SIZE];
    return subject_uuid(peer_certificate(r), NID_organizationName, uuid) && strcmp(uuid, pool_uuid) == 0;
}

/* ---- what it knows ---- */

/* A term: digits that fit; -1 for anything else. */
static int64_t parse_term(const char *text)
{
    size_t n = text ? strspn(text, "0123456789") : 0;
    return n > 0 && n <= 18 && text[n] == '\0' ? strtoll(text, NULL, 10) : -1;
}

static const char *refuse(struct http_reply *reply, const char *why)
{
    reply->status = 403;
    reply->content_type = "text/plain";
    buf_printf(&reply->body, "%s\n", why);
    return NULL;
}

static const char *refuse_old(struct http_reply *reply, int64_t term)
{
    char why[48];
    snprintf(why, sizeof why, "old-term %lld", (long long)term);
    return refuse(reply, why);
}

const char *peer_check(struct peer_pool *p, struct http_request *r, struct http_reply *reply)
{
    const char *host = peer_identify(r), *pool = http_header(r, "xapid-pool");
    int64_t term = parse_term(http_header(r, "xapid-term"));

    if (!host || !is_of_pool(r, p->uuid))
        return refuse(reply, "no-peer");
    if (!pool || strcmp(pool, p->uuid) != 0)
        return refuse(reply, "other-pool");
    if (term < p->term)
        return refuse_old(reply, p->term);
    if (term > p->term && !(p->newer && p->newer(p, term, host)))
        return refuse(reply, "behind");
    return host;
}

const char *co_peer_check_stream(struct peer_pool *p, struct http_request *r, struct http_stream *s)
{
    struct http_reply reply = {0};
    const char *host = peer_check(p, r, &reply);
    CLEANUP_BUF struct buf body = reply.body;
    int64_t deadline = clock_in_ms(REFUSAL_MS);

    if (!host && co_stream_send_head(s, &reply, (int64_t)body.len, deadline) == 0)
        (void)co_stream_write(s, body.data, body.len, deadline);
    return host;
}

/* ---- the client ---- */

void peer_add_headers(struct buf *out, void *arg)
{
    const struct peer_pool *p = arg;
    buf_printf(out, "xapid-pool: %s\r\nxapid-term: %lld\r\n", p->uuid, (long long)p->term);
}

struct rpc_client_options peer_client_options(const struct authority *a, struct peer_pool *p,
                                              const char *address, uint16_t port, const char *host_uuid)
{
    return (struct rpc_client_options){.host = address,
                                       .port = port,
                                       .tls = true,
                                       .tls_context = authority_client_context(a),
                                       .server_name = PEER_SERVER_NAME,
                                       .peer_name = host_uuid,
                                       .add_headers = peer_add_headers,
                                       .add_headers_arg = p};
}

struct rpc_client *peer_client_new(const struct authority *a, struct peer_pool *p, const char *address,
                                   uint16_t port, const char *host_uuid)
{
    struct rpc_client_options o = peer_client_options(a, p, address, port, host_uuid);
    return rpc_client_new(&o);
}

int peer_check_reply(struct peer_pool *p, const char *host_uuid, unsigned status, struct buf *body,
                     struct err *e)
{
    static const char old[] = "old-term ";
    if (status != 403)
        return 0;
    while (body->len > 0 && body->data[body->len - 1] == '\n')
        body->len--;
    const char *why = buf_cstr(body);
    if (strncmp(why, old, sizeof old - 1) == 0) {
        int64_t term = parse_term(why + sizeof old - 1);
        if (term > p->term && p->newer)
            p->newer(p, term, host_uuid ? host_uuid : "");
    }
    return err_internal(e, "refused by host %s: %.100s", host_uuid ? host_uuid : "of the pool", why);
}
