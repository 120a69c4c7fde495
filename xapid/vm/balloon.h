#ifndef XAPID_VM_BALLOON_H
#define XAPID_VM_BALLOON_H
/* The memory of a guest that is up, between static_min and static_max: a balloon in the guest holds what it
 * may not have. */
#include "xapid/call.h"
#include "xapid/server.h"

/* The guest has this many bytes now. */
void balloon_on_report(struct xapid *x, const struct vm *vm, int64_t memory);

/* Ask the guest of a VM that is up for another amount; the caller records it as VM.memory_target and then
 * calls balloon_target_changed. HOST_NOT_ENOUGH_FREE_MEMORY when the host cannot give that much. */
int co_balloon_ask(struct call *c, struct ref vm, int64_t target, struct err *e);
void balloon_target_changed(void);

#endif
