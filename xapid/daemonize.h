#ifndef XAPID_DAEMONIZE_H
#define XAPID_DAEMONIZE_H
#include <stdbool.h>
#include "lib/err.h"

/* Go into the background, logging to STATE/log/xapid.log. The process that was called waits until the daemon
 * says it is ready and then exits: 0, or 1 when it died before. Returns in the daemon only. Blocks.
 * already: the process is there, for it goes on in place of one that went. */
int daemonize(const char *state_dir, bool already, struct err *e);

/* The daemon serves: tell the process that waits. */
void daemonize_ready(void);

/* Open STATE/log/xapid.log anew, after it was moved away; nothing in the foreground. */
void daemonize_reopen_log(const char *state_dir);

#endif
