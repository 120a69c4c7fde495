#ifndef XAPID_VM_BALLOON_H
#define XAPID_VM_BALLOON_H
/* The memory of a guest that is up, between static_min and static_max: a balloon in the guest holds what it
 * may not have. */
#include <stdbool.h>
#include "lib/fiber.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* The guest has this many bytes now. */
void balloon_on_report(struct xapid *x, const struct vm *vm, int64_t memory);

/* Ask the guest of a VM that is up for another amount; the caller records it as VM.memory_target and then
 * calls balloon_target_changed. HOST_NOT_ENOUGH_FREE_MEMORY when the host cannot give that much. */
int co_balloon_ask(struct call *c, struct ref vm, int64_t target, struct err *e);
void balloon_target_changed(void);

/* Broadcast when some guest's balloon has moved, or a target has. */
struct fiber_cond *balloon_moved(void);

/* A guest that was asked to shrink and did not counts as one without balloon driver until it is another
 * guest, its memory changes, or some minutes have passed, in which a driver may have come. */
void balloon_mark_stuck(struct db *db, const struct vm *vm);
bool balloon_is_stuck(const struct vm *vm);

#endif
