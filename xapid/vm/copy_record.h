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
};

/* The rows of the new VM, in one transaction. Never yields. */
int vm_copy_record(struct call *c, const struct vm_copying *a, const struct copied_disks *disks,
                   struct ref *ret, struct err *e);

#endif
