#ifndef XAPID_VM_WHOLE_H
#define XAPID_VM_WHOLE_H
/*
 * A VM with all that is its own: its snapshots, their disks and memory images. What goes to another pool as
 * one, and is removed as one.
 */
#include "xapid/call.h"

struct vm_whole {
    unsigned n_vms, n_disks;
    struct ref *vms;   /* the VM first, then its snapshots */
    struct ref *disks; /* VDIs of Disk drives, and memory images; each once */
};

/* On ctx. Never yields. */
void vm_whole_list(struct db *db, void *ctx, const struct vm *vm, bool snapshots, struct vm_whole *ret);

/* Has a VM that is not among these a drive with the disk? */
bool vm_whole_shares(struct db *db, const struct vm_whole *w, struct ref vdi);

/* Remove rows and storage, but for disks that others have too. The caller holds the operation on the VM;
 * nothing may use the disks. Killed in between, all of it is there or the next start removes the rest. */
int co_vm_whole_remove(struct xapid *x, struct ref vm, struct err *e);

#endif
