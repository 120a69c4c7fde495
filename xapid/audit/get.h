#ifndef XAPID_AUDIT_GET_H
#define XAPID_AUDIT_GET_H
/*
 * GET /audit_log?since=TIME (protocol.md section 8): the lines of the audit log, oldest first, as text/plain
 * that ends with the connection, under a task; for every role. since is the beginning of an ISO 8601 time in
 * UTC, with or without dashes ("2026-11-29", "20261129T10:00:00.123Z"): only lines of that time and after.
 * 400 when it is none. A raw handler for rpc/http.h.
 */
#include "rpc/http.h"

void co_audit_log_get(struct http_request *r, struct http_stream *s, void *x);

#endif
