#ifndef XAPID_VMSS_RUN_H
#define XAPID_VMSS_RUN_H
/*
 * One turn of a snapshot schedule.
 */
#include "lib/buf.h"
#include "xapid/call.h"

/* Snapshot each VM of the schedule, and delete a VM's oldest scheduled snapshots beyond retained_snapshots. A
 * VM that cannot be snapshotted does not keep the others from it: each outcome is a message
 * (VMSS_SNAPSHOT_SUCCEEDED, VMSS_SNAPSHOT_FAILED) and a line of summary. Fails only when the schedule is
 * gone. */
int co_vmss_run(struct call *c, struct ref vmss, struct buf *summary, struct err *e);

#endif
