#ifndef XAPID_HOST_BOOTSTRAP_H
#define XAPID_HOST_BOOTSTRAP_H
/*
 * The rows that a host has before anybody has called: the pool, the host itself and what belongs to them.
 */
#include "xapid/server.h"

/* Make what is missing, bring the rest up to date with x->facts, and set x->host and x->pool. Called once,
 * when the agent is open and before anything is served. */
int co_host_bootstrap(struct xapid *x, struct err *e);

/* What the agent reports of guests (a hv_report_fn); arg is the struct xapid. Never yields. */
void host_on_report(const struct hv_report *r, void *arg);

#endif
