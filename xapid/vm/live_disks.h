#ifndef XAPID_VM_LIVE_DISKS_H
#define XAPID_VM_LIVE_DISKS_H
/*
 * Snapshots of disks that a guest writes to. The guest stands still while they are taken; each snapshot
 * gives the disk a new, empty image on top of what it held, and the guest goes over to that (co_follow_disk
 * in hv/hv.h). Where that fails the guest still writes to what is below, which loses nothing as long as the
 * snapshot is thrown away; so before the next one it follows once more.
 *
 * The caller holds an operation of the VM that keeps its power state.
 */
#include "xapid/call.h"

/* Make the VM stand still if it runs; *ret_held: it does, and co_live_let_go is to follow. */
int co_live_hold(struct call *c, struct ref vm, bool *ret_held, struct err *e);
void co_live_let_go(struct call *c, struct ref vm);

/* The VM whose guest writes to the disk; null when none does. Never yields. */
struct ref live_writer(struct call *c, struct ref vdi);

/* Let the guest that has the disk open, if any, write where the disk is now. VDI_IN_USE when another guest
 * than vm's writes to it as well. */
int co_live_follow(struct call *c, struct ref vm, struct ref vdi, struct err *e);

#endif
