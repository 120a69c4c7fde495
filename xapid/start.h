#ifndef XAPID_START_H
#define XAPID_START_H
#include "xapid/server.h"

/* Start, serve until SIGTERM or SIGINT, and stop in order; guests go on. The exit status, or -1. Errors: why
 * it could not start. */
int server_run(const struct xapid_options *o, struct err *e);

#endif
