#ifndef XAPID_POOL_PEERS_H
#define XAPID_POOL_PEERS_H
/*
 * The daemon's use of the peer transport (pool/peer.h, pool/authority.h): its own certificate, clients for
 * other hosts of the pool, and who among those that call is one.
 */
#include "rpc/client.h"
#include "rpc/http.h"
#include "xapid/server.h"

/* Load this host's certificate, or, for a pool of its own, make an authority first, and serve peers. After
 * x->membership is known and TLS is open; once. */
int peers_open(struct xapid *x, struct err *e);

/* A client for the host at address, which must be the host of that uuid (NULL: any of the pool). */
struct rpc_client *peers_client(struct xapid *x, const char *address, const char *host_uuid);
struct rpc_client_options peers_client_options(struct xapid *x, const char *address, const char *host_uuid);

/* Does a host of this pool call, as far as its certificate tells? It may have left since. */
bool peers_is_peer(const struct http_request *r);

/* Does one that belongs to the pool now and knows this term? Then it is believed what it says of others. */
bool peers_is_trusted(struct xapid *x, const struct http_request *r);

/* The uuid of the host that calls; or NULL, with an answer given, for who is no host of the pool or does not
 * know of this term (the answer tells). The stream's caller looks the host up itself. */
const char *peers_admit(struct xapid *x, struct http_request *r, struct http_reply *reply);
const char *co_peers_admit_stream(struct xapid *x, struct http_request *r, struct http_stream *s);

/* 0, or -1 when a reply of a peer is such a refusal. host_uuid may be NULL. */
int peers_check_reply(struct xapid *x, const char *host_uuid, unsigned status, struct buf *body,
                      struct err *e);

#endif
