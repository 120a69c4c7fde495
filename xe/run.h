#ifndef XE_RUN_H
#define XE_RUN_H
/*
 * One run: read the command, check its arguments, log in, do it, report, log out.
 */
#include "xe/options.h"

/* Returns the exit code. */
int co_run(const struct xe_options *o);

#endif
