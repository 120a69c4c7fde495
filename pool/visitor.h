#ifndef POOL_VISITOR_H
#define POOL_VISITOR_H
/*
 * Somebody from outside the pool who is let in for one thing: the other pool, when a VM moves between two.
 * The pool that is visited signs a certificate under a name that it was told (authority_sign_visitor); it
 * opens the port of peers (pool/peer.h) and the destination's QEMU for that name only. Hosts of the pool
 * have another O, so no visitor passes for one.
 *
 * Never yields.
 */
#include "hv/hv.h"
#include "pool/authority.h"
#include "rpc/client.h"
#include "rpc/http.h"

/* At the visitor: a fresh key, and a request for a certificate of this name. On ctx. */
int visitor_request(void *ctx, const char *uuid, char **ret_key, char **ret_request, struct err *e);

/* Is its certificate's time over, or is it none? */
bool visitor_is_over(const struct hv_credentials *c);

/* A client's context with those credentials, which takes only hosts of the pool that has issued them. The
 * caller frees it; clients made with it keep it. INVALID_VALUE when they cannot be used. */
int visitor_context(const struct hv_credentials *c, SSL_CTX **ret, struct err *e);

/* One that takes the server whose certificate has this SHA-256 fingerprint ("AA:BB:..."), and no other. */
SSL_CTX *visitor_pinned_context(const char *sha256);

/* A client for the host of this uuid (NULL: any) of the pool that is visited. */
struct rpc_client *visitor_client(SSL_CTX *context, const char *address, uint16_t port,
                                  const char *host_uuid);

/* At a host of the pool: the name of the visitor who sent the request, on r->mem; NULL when none did. */
const char *visitor_identify(const struct http_request *r);

#endif
