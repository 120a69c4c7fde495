#ifndef XAPID_METRICS_H
#define XAPID_METRICS_H
#include "lib/buf.h"

/* Append the daemon's figures in Prometheus' text format (version 0.0.4). arg is the struct xapid. Never
 * yields. */
void metrics_write(struct buf *page, void *arg);

#endif
