#ifndef XE_CMD_SNAPSHOT_H
#define XE_CMD_SNAPSHOT_H
/*
 * What the verbs on snapshots share.
 */
#include "xe/client.h"

/* The snapshot that uuid= or snapshot-uuid= names, or NULL. Errors: FAIL_REQUIRED, UUID_INVALID, FAIL_TEXT.
 */
const char *co_arg_snapshot(struct xe *x, struct err *e);

#endif
