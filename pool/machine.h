#ifndef POOL_MACHINE_H
#define POOL_MACHINE_H
/*
 * Settings of the machine under the agent: files and services of its system (pool/agent.h). Private to this
 * folder. Files are sought below the agent's machine_root, so that tests have a system of their own; programs
 * are those of PATH.
 */
#include "pool/agent_state.h"

/* Is there this file or folder of the system? */
bool machine_has(const struct agent *a, const char *path);

/* Make a file of the system, readable by all, hold this text, and its folder where that is missing; text
 * NULL: take the file away. */
int co_machine_write(const struct agent *a, const char *path, const char *text, struct err *e);

/* The text of a file of the system, on ctx. */
int co_machine_read(const struct agent *a, void *ctx, const char *path, char **ret, struct err *e);

/* Run a program to its end. ret_out, if it is wanted, is what it printed, on ctx. INTERNAL_ERROR with what it
 * complained of when it is not there or fails. */
int co_machine_run(const char *const *argv, void *ctx, char **ret_out, struct err *e);

/* A name or address of a host, as files of settings may hold it: nothing else gets into them. */
bool machine_is_host(const char *text);

int co_machine_set_ntp(struct agent *a, const struct map *values, struct err *e);
int co_machine_get_ntp(struct agent *a, void *ctx, struct map **ret, struct err *e);

#endif
