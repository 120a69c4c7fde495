#ifndef XE_SELECT_H
#define XE_SELECT_H
/*
 * Selectors: the objects that a command is for, chosen by values of their parameters as in a -list command,
 * or by vm=, host= or sr= (uuid or name). None given means all; more than one object needs --multiple.
 */
#include <stdbool.h>
#include "xe/client.h"
#include "xe/fetch.h"

enum {
    SELECT_CONTROL_DOMAINS = 1, /* VMs: control domains count too */
    SELECT_TEMPLATES = 2,       /* VMs: templates and snapshots count too */
    SELECT_ONE = 4,             /* --multiple is refused */
    SELECT_ANY_NUMBER = 8,      /* --multiple is not needed */
};

/* The VMs, hosts or SRs that the arguments choose; at least one. Errors: FAIL_TEXT and those of the server.
 */
int co_select_vms(struct xe *x, unsigned flags, struct records *ret, struct err *e);
int co_select_hosts(struct xe *x, unsigned flags, struct records *ret, struct err *e);
int co_select_srs(struct xe *x, unsigned flags, struct records *ret, struct err *e);

/* What a command does to one object. *ret_item, when set, is a line of the command's result. */
typedef int select_fn(struct xe *x, const struct record *r, const char **ret_item, struct err *e);

/* Do fn to each selected object. One object: its error is the command's. Several: failures are listed at the
 * end and the exit code is 1. For VMs, messages that the operation left are shown. */
int co_for_vms(struct xe *x, unsigned flags, select_fn *fn, struct err *e);
int co_for_hosts(struct xe *x, unsigned flags, select_fn *fn, struct err *e);
int co_for_srs(struct xe *x, unsigned flags, select_fn *fn, struct err *e);

#endif
