#ifndef XAPID_VM_RECORD_H
#define XAPID_VM_RECORD_H
/*
 * What the rows say when a VM's power state has changed: one place for VM.start, guests that end by
 * themselves and adoption after a restart. All inside the caller's transaction.
 */
#include "pool/agent.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* A number for a guest's domain that no other on this host has had since it was made. */
int64_t vm_next_domid(struct xapid *x);

/* The guest is up: power state, host, consoles, attached drives and NICs, metrics. */
void vm_record_started(struct txn *t, struct xapid *x, const struct vm *vm, const struct hv_vm_facts *facts);

/* It is gone, whatever it was before. */
void vm_record_stopped(struct txn *t, const struct vm *vm);

/* It rebooted in place: it has new start times and said nothing yet. */
void vm_record_rebooted(struct txn *t, const struct vm *vm, int64_t when);

/* A notice about the VM, such as "VM_STARTED". */
void vm_post_message(struct txn *t, const struct vm *vm, const char *name);

#endif
