#ifndef XAPID_VM_STOP_H
#define XAPID_VM_STOP_H
#include "xapid/call.h"

/* VM.hard_shutdown and VM.clean_shutdown, for other operations that are made of them. */
int co_vm_stop_hard(struct call *c, struct ref vm, struct err *e);
int co_vm_stop_clean(struct call *c, struct ref vm, struct err *e);

/* Errors of the agent name the VM by uuid; clients know references. */
void vm_name_in_error(struct call *c, struct ref vm, struct err *e);

#endif
