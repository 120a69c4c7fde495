#ifndef POOL_PEER_H
#define POOL_PEER_H
/*
 * Hosts of a pool speak to each other on the port that clients use, but call the server "peer.xapid" (SNI):
 * then both sides show certificates of the pool's authority (pool/authority.h). Each request names the pool
 * and the sender's term in headers,
 *     xapid-pool: <uuid>
 *     xapid-term: <number>
 * and is refused with status 403 by a host of another pool or with a newer term. The body of a refusal is one
 * line that begins with one of
 *     no-peer           not a host of the pool
 *     other-pool        the request is meant for another pool
 *     old-term <number> the sender is out of date; the number is the term here
 *     behind            the host that was asked is out of date itself, and has noticed just now
 *
 * A certificate says that somebody was let into the pool, not that he still belongs to it: the caller looks
 * the host up.
 */
#include "pool/authority.h"
#include "rpc/client.h"
#include "rpc/http.h"
#include "rpc/tls.h"

#define PEER_SERVER_NAME "peer.xapid"

/* Which pool this host is in, as it knows at the moment; the owner keeps it up to date. */
struct peer_pool {
    char uuid[UUID_TEXT_SIZE];
    int64_t term;
    /* Somebody (a host's uuid; "" when not known) has a newer term. True: p->term follows, serve the request;
     * false: refuse it. Must not yield. */
    bool (*newer)(struct peer_pool *p, int64_t term, const char *host_uuid);
    void *arg; /* the owner's */
};

/* ---- the server's side ---- */

/* Make a server take peers, too. Ordinary clients are asked for no certificate. */
void peer_serve(struct tls_server *t, const struct authority *a);

/* The uuid of the host that sent the request, on r->mem; NULL when no host of the authority's pool did. */
const char *peer_identify(const struct http_request *r);

/* The uuid (CN) in the certificate of whoever sent the request, if the authority has issued it under this O.
 */
const char *peer_name(const struct http_request *r, const char *organization);

/* The certificate that it has shown; the connection's. */
X509 *peer_certificate(const struct http_request *r);

/* For handlers of requests between hosts: the sender's uuid; or NULL with reply filled, to be sent at once.
 */
const char *peer_check(struct peer_pool *p, struct http_request *r, struct http_reply *reply);

/* The same for raw handlers: NULL when it has been refused already. */
const char *co_peer_check_stream(struct peer_pool *p, struct http_request *r, struct http_stream *s);

/* ---- the client's side ---- */

/* A client for the host of this uuid (NULL: any host of the pool) at address. Keeps p and a by reference. */
struct rpc_client_options peer_client_options(const struct authority *a, struct peer_pool *p,
                                              const char *address, uint16_t port, const char *host_uuid);
struct rpc_client *peer_client_new(const struct authority *a, struct peer_pool *p, const char *address,
                                   uint16_t port, const char *host_uuid);

/* The headers that each request has, for who writes its head himself; arg is the struct peer_pool. */
void peer_add_headers(struct buf *out, void *arg);

/* 0 unless the status and body of a reply are a refusal: -1, INTERNAL_ERROR, and p->newer was called if need
 * be. host_uuid may be NULL. Never yields. */
int peer_check_reply(struct peer_pool *p, const char *host_uuid, unsigned status, struct buf *body,
                     struct err *e);

#endif
