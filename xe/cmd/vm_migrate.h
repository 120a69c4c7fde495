#ifndef XE_CMD_VM_MIGRATE_H
#define XE_CMD_VM_MIGRATE_H
/* vm-migrate's two ways: within the pool, and by way of a login at the destination's pool. */
#include "xe/client.h"
#include "xe/record.h"

/* The text that names the destination, or NULL. */
const char *migrate_named_host(struct xe *x);

/* The options that were given; -1: one is no truth value. */
int migrate_options(struct xe *x, struct wire **ret, struct err *e);

/* Is the destination, or where disks and NICs go there, told in a way that asks for the latter? */
bool migrate_is_remote(struct xe *x);

/* All VMs selected go there; with copy=true new ones do, whose uuids are printed. Errors: FAIL_TEXT and those
 * of the servers. */
int co_migrate_remote(struct xe *x, struct err *e);

#endif
