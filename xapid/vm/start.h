#ifndef XAPID_VM_START_H
#define XAPID_VM_START_H
#include "xapid/vm/spec.h"

/* Start the VM on a host, or on the best one, this one if it will do (null: none before others), and record
 * it. The caller holds a declared operation of the VM. */
int co_vm_start_at(struct call *c, struct ref vm, struct ref host, const struct vm_start_options *o,
                   struct err *e);
int co_vm_start_somewhere(struct call *c, struct ref vm, struct ref prefer, const struct vm_start_options *o,
                          struct err *e);

#endif
