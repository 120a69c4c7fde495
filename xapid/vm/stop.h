#ifndef XAPID_VM_STOP_H
#define XAPID_VM_STOP_H
#include "xapid/call.h"
#include "xapid/op.h"

/* VM.hard_shutdown and VM.clean_shutdown, for other operations that are made of them. */
int co_vm_stop_hard(struct call *c, struct ref vm, struct err *e);
int co_vm_stop_clean(struct call *c, struct ref vm, struct err *e);

/* A clean shutdown or reboot may be asked for while the VM moves with its disks, and then waits until it has
 * arrived: `own` is the operation that asks. */
int co_vm_wait_moved(struct call *c, struct ref vm, const struct op *own, struct err *e);

/* Errors of the agent name the VM by uuid; clients know references. */
void vm_name_in_error(struct call *c, struct ref vm, struct err *e);

#endif
