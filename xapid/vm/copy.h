#ifndef XAPID_VM_COPY_H
#define XAPID_VM_COPY_H
/*
 * New VMs from others: clones (disks share blocks), full copies and snapshots. Either all of it comes to be,
 * VM, drives, disks and NICs in one transaction, or nothing.
 */
#include "xapid/call.h"

enum vm_copy_kind { VM_COPY_CLONE, VM_COPY_FULL, VM_COPY_SNAPSHOT };

struct vm_copying {
    enum vm_copy_kind kind;
    struct ref source;
    const char *name;
    struct ref sr;          /* FULL: where the disks go; null: each to its own SR */
    const struct set *skip; /* SNAPSHOT: VDIs that are left out */
    bool memory; /* with the guest's memory, if it has any: of a snapshot that makes a checkpoint, of a clone
                    another suspended VM */
};

/* The caller holds the operation on the source. */
int co_vm_make_copy(struct call *c, const struct vm_copying *a, struct ref *ret, struct err *e);

#endif
