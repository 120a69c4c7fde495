#ifndef XAPID_AUDIT_AUDIT_H
#define XAPID_AUDIT_AUDIT_H
/*
 * Who did what: a line for each call that may change something, with its outcome. Reads leave none, and
 * neither do calls without a valid session (whoever knocks at the door could wash the log away), logins
 * excepted, of which failed ones are slow (xapid/session/backoff.h). A call leaves its line when it ends: one
 * that a killed daemon was at leaves none.
 *
 * The format is the one XenAPI servers have, which their tools for reports read:
 *   [20261129T10:00:00.123Z|audit|HOSTNAME|ADDRESS ORIGINATOR|Async.VM.start R:TASK|audit] ('trackid=SESSION'
 *   'SID' 'USER' 'ALLOWED' 'OK' 'API' 'VM.start' (('vm' 'NAME' 'UUID' 'REF') ('force' 'false' '' '')))
 * on one line. SESSION is the session's uuid (its reference is a secret), SID the subject's identifier or
 * LOCAL_SUPERUSER; then ALLOWED or DENIED, OK or ERROR:CODE, API or HTTP.
 * Never yields.
 */
#include "rpc/http.h"
#include "rpc/wire.h"
#include "xapid/call.h"

struct audit_log;

/* May the message change anything? */
bool audit_is_read(const struct model_message *m);

/* Keep what the line will say about caller and parameters, as they are before the call; on c->mem. NULL when
 * the call leaves no line. */
const char *audit_begin(struct call *c, const struct wire *params, uint32_t n);

/* Write the line; begun NULL: nothing. method: as the client called it. */
void audit_end(struct call *c, const char *begun, const char *method, const struct err *e);

/* The line of an HTTP request that is no RPC: what it concerns (a row or NULL) and what the query says. e:
 * why it was refused or failed, or no error. */
void audit_http(struct call *c, const struct http_request *r, const struct row *row, const struct err *e);

#endif
