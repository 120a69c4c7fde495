#ifndef XAPID_HTTP_AUTH_H
#define XAPID_HTTP_AUTH_H
/*
 * Who calls an HTTP handler that is no RPC (console, import, export …; protocol.md section 6).
 */
#include "rpc/http.h"
#include "xapid/call.h"

/* Fill *ret for the caller of r: by session_id (cookie, then query), else by Basic authorization, which makes
 * a session for the time of the request; over the unix socket the local root needs neither. End with
 * http_auth_end in any case. Errors: SESSION_INVALID, SESSION_AUTHENTICATION_FAILED; answer those with 401.
 */
int co_http_auth(struct http_request *r, struct xapid *x, struct call *ret, struct err *e);

/* End the session that Basic made. Never yields. */
void http_auth_end(struct call *c);

/* May the caller do what this message does? What is no message is a pool-admin's. RBAC_PERMISSION_DENIED
 * otherwise; answer that with 403. */
int http_auth_may(struct call *c, const char *message, struct err *e);

/* The reply to a caller who was not let in: 401 asking for Basic, or 403. */
void http_auth_refuse(struct http_request *r, struct http_reply *reply, const struct err *e);

#endif
