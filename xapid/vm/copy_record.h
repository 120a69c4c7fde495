#ifndef XAPID_VM_COPY_RECORD_H
#define XAPID_VM_COPY_RECORD_H
#include "xapid/storage/vdi.h"
#include "xapid/vm/copy.h"

struct copied_disk {
    struct ref vbd, source; /* of the VM that is copied */
    struct ref sr;          /* of the copy */
    struct sm_vdi sm;
    bool made;
};

struct copied_disks {
    struct copied_disk *disks;
    unsigned n;
    struct sm_vdi image; /* of a checkpoint's memory; no uuid: there is none */
    struct sr_handle image_sr;
};

/* The storage of a VM's copy: its disks and, where that is wanted and there is any, its memory. The undo
 * steps go on u; once all is recorded and committed, co_vm_storage_made. */
int co_vm_copy_storage(struct call *c, const struct vm_copying *a, struct copied_disks *list, struct undo *u,
                       struct err *e);
void co_vm_storage_made(struct xapid *x, const struct copied_disks *list);

/* A VM's rows made those of a snapshot of it, with copies of the snapshot's storage; the rows of the old
 * disks go. One transaction; never yields. */
int vm_revert_record(struct call *c, struct ref vm, struct ref snapshot, const struct copied_disks *disks,
                     const struct vdi_doomed *old, unsigned n_old, struct err *e);

/* The rows of the new VM, in one transaction. Never yields. */
int vm_copy_record(struct call *c, const struct vm_copying *a, const struct copied_disks *disks,
                   struct ref *ret, struct err *e);

#endif
