#ifndef XAPID_METRICS_H
#define XAPID_METRICS_H
#include "lib/buf.h"
#include "rpc/http.h"

/* Append the daemon's figures in Prometheus' text format (version 0.0.4). arg is the struct xapid. Never
 * yields. */
void metrics_write(struct buf *page, void *arg);

/* GET /metrics on the HTTPS port, for whoever may read: by session_id or Basic authorization. */
co_http_handler co_metrics_get;

#endif
