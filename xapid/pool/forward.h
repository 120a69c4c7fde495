#ifndef XAPID_POOL_FORWARD_H
#define XAPID_POOL_FORWARD_H
/*
 * How a member answers for its pool: what only reads is answered from its copy of the database, what concerns
 * this host alone is done here (protocol.md section 9), and all else goes to the coordinator over connections
 * that are kept. The reply is held back until the copy has what it tells of, so that a client that reads what
 * it has written here finds it.
 *
 * The coordinator is told who calls in headers that it believes of members only.
 */
#include "rpc/http.h"
#include "xapid/request.h"

/* On a member: is the request (parsed, not checked) for the coordinator? Never yields. */
bool forward_wants(struct request *q);

/* Let the coordinator answer q, which came as r, and fill the reply. -1 when there is no coordinator, or
 * HOST_IS_SLAVE where the option strict-members says so. */
int co_forward(struct http_request *r, struct http_reply *reply, struct request *q, struct err *e);

/* The same for requests that are no calls: the routes of a member. */
co_http_raw_handler co_forward_stream;

/* ---- on the coordinator ---- */

/* The server's hook for every request: a member's says whose it is. */
void forward_restore(struct http_request *r, void *arg);

/* Let the reply name the generation that it tells of, when a member will pass it on. */
void forward_tell_generation(const struct http_request *r, struct http_reply *reply);

#endif
