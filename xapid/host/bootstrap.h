#ifndef XAPID_HOST_BOOTSTRAP_H
#define XAPID_HOST_BOOTSTRAP_H
/*
 * The rows that a host has before anybody has called, and putting right what a crash left: see bootstrap.c
 * for the order.
 */
#include "xapid/server.h"

/* Make what is missing, bring the rest up to date with x->facts, set x->host and x->pool, take over the
 * guests that are alive. Called once, when the agent is open and before anything is served. */
int co_host_bootstrap(struct xapid *x, struct err *e);

/* What the agent reports of guests (a hv_report_fn); arg is the struct xapid. Never yields. */
void host_on_report(const struct hv_report *r, void *arg);

/* ---- the parts; each in a file of its name, all inside the caller's transaction ---- */

/* x->host, its metrics, processors and control domain. */
void host_rows(struct txn *t, struct xapid *x);

/* x->pool. */
void pool_rows(struct txn *t, struct xapid *x);

/* Networks of a new pool, and the host's management interface. */
void network_rows(struct txn *t, struct xapid *x);

/* SM rows, and the SRs that a new host starts with. state_dir is absolute. */
void storage_rows(struct txn *t, struct xapid *x, const char *state_dir);

/* The default templates of a new pool; that of the demo guest whenever its files are there. */
void template_rows(struct txn *t, struct xapid *x, const char *state_dir);

/* Drop what belongs to rows that are not there. */
void repair_rows(struct txn *t);

/* Take over the guests that are alive, and record as halted those that are not. Not in a transaction. */
int co_host_adopt(struct xapid *x, struct err *e);

#endif
