#ifndef XAPID_VM_RECORD_H
#define XAPID_VM_RECORD_H
/*
 * What the rows say when a VM's power state has changed: one place for VM.start, guests that end by
 * themselves and adoption after a restart. All inside the caller's transaction.
 */
#include "pool/agent.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* A number for a guest's domain, larger than those of all before it in this pool. */
int64_t vm_next_domid(struct xapid *x);

/* A guest that is up, as the agent of its host knows it. */
struct vm_guest {
    struct ref host;
    struct hv_vm_facts facts;
    struct agent_device *devices;
    unsigned n_devices;
};

/* Ask which drives and NICs the guest has now; *ret is on ctx. Errors: those of host_agent. */
int co_vm_guest_look(struct xapid *x, void *ctx, struct ref host, const char *uuid,
                     const struct hv_vm_facts *facts, struct vm_guest *ret, struct err *e);

/* The guest is up: power state, host, consoles, attached drives and NICs, metrics. */
void vm_record_started(struct txn *t, struct xapid *x, const struct vm *vm, const struct vm_guest *g);

/* The guest has gone to another host as it was: nothing about it is new but where it is. */
void vm_record_moved(struct txn *t, struct xapid *x, const struct vm *vm, struct ref host, int64_t domid);

/* It is gone, whatever it was before. */
void vm_record_stopped(struct txn *t, const struct vm *vm);

/* Its state is in an image and it is no more; its drives and NICs count as in use. */
void vm_record_suspended(struct txn *t, const struct vm *vm);

/* Whether a guest that did not answer in time obeyed is for its host's agent to say: record what it knows
 * now, in a transaction of its own; what comes later is reported once the operation has ended. */
void co_vm_record_truth(struct call *c, struct ref vm);

/* It rebooted in place: it has new start times and said nothing yet. */
void vm_record_rebooted(struct txn *t, const struct vm *vm, int64_t when);

/* Wait until all that has been committed so far is on disk, however long the store cannot be written, and on
 * that of a member if one is quick (co_leader_share); for steps that neither a crash nor the next coordinator
 * may find done without their record. */
void co_record_durable(struct xapid *x);

/* A notice about the VM, such as "VM_STARTED". */
void vm_post_message(struct txn *t, const struct vm *vm, const char *name);

#endif
