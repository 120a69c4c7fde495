#ifndef XAPID_VMSS_SCHEDULER_H
#define XAPID_VMSS_SCHEDULER_H
/*
 * Gives snapshot schedules their turns while the daemon runs. A turn that came while it was away is made up
 * for within a quarter of an hour; later ones wait for the next.
 */
#include "xapid/server.h"

void vmss_scheduler_start(struct xapid *x);

/* The enabled schedules whose turn came after `from` and not after `to` (seconds since 1970 UTC), and that
 * have not run since, on ctx. Never yields. */
const struct set *vmss_due(void *ctx, struct db *db, int64_t from, int64_t to);

#endif
