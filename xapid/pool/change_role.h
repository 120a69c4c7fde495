#ifndef XAPID_POOL_CHANGE_ROLE_H
#define XAPID_POOL_CHANGE_ROLE_H
/*
 * This host's place in the pool changes: written down first, then the daemon starts anew in place, with
 * connections and guests living on, and is what its membership says. Errors are those of writing.
 * Never yields; blocks for a moment.
 */
#include "xapid/server.h"

/* Write down what has changed and go on with it; nothing has when it could not be written. */
int change_role_note(struct xapid *x, const struct membership *m, struct err *e);

/* Lead the pool from now on, in a new term. */
int change_role_to_coordinator(struct xapid *x, struct err *e);

/* Follow the coordinator at address, in its term. */
int change_role_to_member(struct xapid *x, const char *address, uint64_t term, struct err *e);

/* The coordinator of a member has another address, in the same term; no new start is needed. */
int change_role_note_address(struct xapid *x, const char *address, struct err *e);

/* A member learns that its coordinator is a member itself, of the one at address; no new start is needed.
 * That it is its own coordinator it does not believe. */
void change_role_heard_of(struct xapid *x, const char *address);

/* Become a pool of its own, with an empty database; what the storage holds stays where it is. */
int change_role_leave(struct xapid *x, struct err *e);

/* At the start: finish leaving if that was begun. */
int change_role_finish(struct xapid *x, struct err *e);

/* At the start of a coordinator, before it acts: is there one in a later term, as after a time in which this
 * host was away? Then x->membership is a member's. When hosts are in a later term and name nobody but this
 * host, it leads them in a term that is later still. */
int co_change_role_look_around(struct xapid *x, struct err *e);

/* The same at any time: a coordinator that is none any more starts anew as a member. */
void co_change_role_step_down(struct xapid *x);

/* From now on, look around whenever a host of the pool is not connected; one that looks for this coordinator
 * at an address that it has left is told. */
void change_role_watch(struct xapid *x);

/* Start the daemon anew, in place, once the calls in progress have been answered. */
void change_role_restart(struct xapid *x);

#endif
