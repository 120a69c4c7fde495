#ifndef XAPID_VM_SQUEEZE_H
#define XAPID_VM_SQUEEZE_H
/*
 * Guests with a dynamic range make room for others, and get it back (share.h: how much). A fiber for each
 * host that needs it tells the guests what is due to them, whoever asked; nothing but VM.memory_target
 * remembers it, so whatever was broken off is put right by the next look.
 */
#include "xapid/call.h"
#include "xapid/server.h"

/* This daemon leads the pool: from now on looks have an effect. */
void squeeze_begin(struct xapid *x);

/* The memory of a host is shared in another way now: look at it. Also inside a transaction. Never yields. */
void squeeze_look(struct ref host);

/* The same where nobody knows what the guests were told. */
void squeeze_look_anew(struct ref host);

/* Wait until the host has what is reserved there for the VM (placement_reserve). A VM that starts may get
 * less than was reserved, down to memory_dynamic_min. Errors: HOST_NOT_ENOUGH_FREE_MEMORY when guests do not
 * follow; those count as unshrinkable then (balloon.h). */
int co_squeeze_make_room(struct call *c, struct ref vm, struct ref host, struct err *e);

#endif
