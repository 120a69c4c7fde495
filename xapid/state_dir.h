#ifndef XAPID_STATE_DIR_H
#define XAPID_STATE_DIR_H
#include "lib/err.h"

/* Make the state directory and its `log` folder. Blocks. */
int state_dir_make(const char *path, struct err *e);

/* Take the lock that one daemon a state directory holds until it exits, and write its pid into STATE/lock.
 * A process that has it (since before it went into the background, say) may ask again. Never blocks. */
int state_dir_lock(const char *path, struct err *e);

/* Write the port that was chosen to STATE/name ("port", "http-port"). */
int state_dir_write_port(const char *path, const char *name, unsigned port, struct err *e);

#endif
