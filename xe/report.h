#ifndef XE_REPORT_H
#define XE_REPORT_H
/*
 * Errors as the user reads them, on stderr, and the exit codes they mean.
 */
#include "lib/err.h"

struct xe;

/* Show e; the session, if there still is one, helps to name objects. Returns the exit code. */
int co_report(struct xe *x, const struct err *e);

/* e as one line for a list of failures, on x->ctx. */
const char *report_line(struct xe *x, const struct err *e);

#endif
