#ifndef XAPID_VM_MOVE_H
#define XAPID_VM_MOVE_H
/*
 * A VM goes to another host of the pool, live if it runs. See move.c for the steps.
 */
#include "pool/agent.h"
#include "xapid/call.h"
#include "xapid/server.h"

struct vm_move {
    struct ref vm, host;       /* the destination */
    const struct map *disks;   /* VDI → SR: whose content goes along; NULL: all storage must be shared */
    struct ref network;        /* that memory and disks travel on; null: the management network */
    const struct map *options; /* text to text, as VM.pool_migrate and VM.migrate_send take them */
};

/* Could the VM go there now? Never yields. Errors: those of placement_check and move_disks_plan,
 * VM_HOST_INCOMPATIBLE_VERSION_MIGRATE, INTERFACE_HAS_NO_IP, HOST_CANNOT_ATTACH_NETWORK, INVALID_VALUE. */
int vm_move_check(struct xapid *x, void *ctx, const struct vm_move *m, struct err *e);

/* Go there; the operation on the VM is declared. After a failure the VM is where it was, as it was, except
 * when the destination was lost once the VM was there. Errors: VM_MIGRATE_FAILED, those of vm_move_check. */
int co_vm_move(struct call *c, const struct vm_move *m, struct err *e);

/* The address of a host on a network. Errors: HOST_CANNOT_ATTACH_NETWORK, INTERFACE_HAS_NO_IP. */
const char *move_address(struct xapid *x, struct ref host, struct ref network, struct err *e);

/* Is a hypervisor of this version (dotted numbers; "": not known) no newer than the host's? Never yields. */
bool move_version_fits(struct xapid *x, const char *version, struct ref host);

/* May a guest that is up go there, from what runs on both hosts? Errors:
 * VM_HOST_INCOMPATIBLE_VERSION_MIGRATE. Never yields. */
int move_check_versions(struct xapid *x, const struct vm *vm, struct ref to, struct err *e);

/* Let a guest run that has arrived; asked more than once, since what fails may have been done. When it fails,
 * *ret_ran: the guest may have run there for a moment, so that nothing can be in its place. */
int co_move_accept(struct agent *to, const char *uuid, bool *ret_ran, struct err *e);

#endif
