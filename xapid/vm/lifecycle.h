#ifndef XAPID_VM_LIFECYCLE_H
#define XAPID_VM_LIFECYCLE_H
/*
 * Guests that do something of their own accord: end, reboot, tell about themselves.
 */
#include "pool/agent.h"
#include "xapid/server.h"

/* A guest of a host has ended; in a fiber of its own, once no operation on its power state is in progress,
 * its VM is recorded as halted and what its actions_after_… say is done. Nothing when it turns out to be up,
 * or to be on another host by then. Never yields. */
void lifecycle_guest_gone(struct xapid *x, struct ref host, const char *uuid, enum hv_stop_reason reason);

/* A guest has panicked and stands still: likewise, what actions_after_crash says is done. Never yields. */
void lifecycle_guest_crashed(struct xapid *x, struct ref host, const char *uuid);

/* A guest that ended between its start and the record of it was reported too early to count. */
void co_lifecycle_look_again(struct xapid *x, struct ref vm);

/* What a host's agent reports (hv_report_fn's work). What it says of a VM that is on another host does not
 * count: the guest is on its way there, or left over. Never yields. */
void lifecycle_on_report(struct xapid *x, struct ref host, const struct hv_report *r);

/* Operations that change a VM's power state, as a mask of vm_operations. */
uint64_t lifecycle_operations(void);

#endif
