#ifndef XAPID_VM_PLACEMENT_H
#define XAPID_VM_PLACEMENT_H
/*
 * Which host a VM runs on. Reads rows; only the reservations write, each in a transaction of its own. Never
 * yields.
 */
#include "xapid/call.h"
#include "xapid/server.h"

/* Does the host have what the VM needs? It must be live, enabled and reachable, have the SRs of the disks
 * (and of the memory image of a VM that is suspended) attached, reach the networks, have memory and
 * processors, and the latter must do what those of the host did that a suspended or running guest started on.
 * force leaves out what only is unwise. Errors: HANDLE_INVALID, HOST_NOT_LIVE, HOST_OFFLINE, HOST_DISABLED,
 * VM_REQUIRES_SR, VM_REQUIRES_NETWORK, HOST_CANNOT_ATTACH_NETWORK, VM_INCOMPATIBLE_WITH_THIS_HOST,
 * HOST_NOT_ENOUGH_FREE_MEMORY, HOST_NOT_ENOUGH_PCPUS. */
int placement_check(struct xapid *x, const struct vm *vm, struct ref host, bool force, struct err *e);

/* The same without the disks: for a guest that takes their content along. */
int placement_check_without_storage(struct xapid *x, const struct vm *vm, struct ref host, struct err *e);

/* The same for a guest that another pool has, and that its row here does not tell of yet. */
int placement_check_arrival(struct xapid *x, const struct vm *vm, struct ref host, struct err *e);

/* The best of the hosts that pass: `prefer` if it does, or else the VM's affinity; the one with the fewest
 * VMs of its anti-affinity groups; the one with the most free memory. Errors: NO_HOSTS_AVAILABLE, or what is
 * wrong with the only one that there is. */
int placement_choose(struct xapid *x, const struct vm *vm, struct ref prefer, bool force, struct ref *ret,
                     struct err *e);

/* The best of the other hosts, for a guest that is to leave its own. */
int placement_choose_other(struct xapid *x, const struct vm *vm, struct ref *ret, struct err *e);

/* Until it runs there its memory counts as taken on the host: VM.scheduled_to_be_resident_on, and
 * VM.memory_target of one that is down. It may have to be made free (squeeze.h). Recording that the VM is up
 * or down ends it, too. Errors: HOST_NOT_ENOUGH_FREE_MEMORY, HOST_OFFLINE. */
int placement_reserve(struct xapid *x, struct ref vm, struct ref host, struct err *e);
void placement_release(struct xapid *x, struct ref vm);

/* After a start that has failed: when the host was lost while it was at work nobody knows whether the guest
 * is up, so the reservation stays, and keeps the VM from being started on another host (HOST_OFFLINE), until
 * the host is back or the VM's power state is reset. */
void placement_release_after(struct xapid *x, struct ref vm, const struct err *failure);

/* What is on its way to this host is not any more: the host is back, or this daemon has just begun. */
void placement_forget_reservations(struct txn *t, struct ref host);

/* Can a guest of the VM have a NIC on this network there? Errors: VM_REQUIRES_NETWORK,
 * HOST_CANNOT_ATTACH_NETWORK. */
int placement_check_network(struct xapid *x, const struct vm *vm, struct ref network, struct ref host,
                            struct err *e);

#endif
