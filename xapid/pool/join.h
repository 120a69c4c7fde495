#ifndef XAPID_POOL_JOIN_H
#define XAPID_POOL_JOIN_H
/*
 * Becoming a member. The joining host checks that it fits, asks the coordinator for a certificate and gives
 * it all of its database (POST /pool/join); the coordinator takes over what belongs to the host, in one
 * transaction, and answers with what a member needs to know. The joining host writes that down and starts
 * anew as a member. Killed in between it is still a pool of its own, and joining again puts it right.
 */
#include "rpc/client.h"
#include "rpc/http.h"
#include "xapid/call.h"

/* A session at another pool; everything on mem. */
struct remote_pool {
    void *mem;
    struct rpc_client *client;
    SSL_CTX *context; /* of the client; NULL: its server is believed */
    const char *session;
};

/* Errors: JOINING_HOST_CONNECTION_FAILED, JOINING_HOST_SERVICE_FAILED, SSL_VERIFY_ERROR. */
int co_remote_login(struct xapid *x, struct remote_pool *r, const char *address, uint16_t port,
                    const char *user, const char *password, struct err *e);
void co_remote_logout(struct remote_pool *r);

/* Call a method with the session and, when it is not NULL, one text. The result is on r->mem. */
int co_remote_call(struct remote_pool *r, const char *method, const char *text, struct wire *ret,
                   struct err *e);

/* Does this host fit that pool? In the order of protocol.md section 9, with its errors. */
int co_join_check(struct call *c, struct remote_pool *there, bool force, struct err *e);

/* The coordinator's side: POST /pool/join. */
co_http_handler co_join_serve;

#endif
