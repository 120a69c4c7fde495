#ifndef XAPID_VM_START_H
#define XAPID_VM_START_H
#include "xapid/vm/spec.h"

/* Start the VM on this host and record it; the caller holds a declared operation of the VM. */
int co_vm_start_here(struct call *c, struct ref vm, const struct vm_start_options *o, struct err *e);

#endif
