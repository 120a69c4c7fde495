#ifndef XAPID_VM_SPEC_H
#define XAPID_VM_SPEC_H
/*
 * From a VM's rows to the complete specification that the agent of a host starts it from. Reads rows, never
 * yields; all that the specification points at is on ctx.
 */
#include "pool/agent.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* A disk that stands in for a drive's own. */
struct vm_other_disk {
    struct ref vbd;
    struct sm_sr sr;
    const char *location;
};

struct vm_start_options {
    bool paused, force;
    bool only_attached; /* the drives and NICs that its guest has, no more */
    unsigned n_others;
    const struct vm_other_disk *others;
};

/* As the host takes it, under a new domain number. Errors: what keeps it from running the VM (SR_HAS_NO_PBDS,
 * HANDLE_INVALID …). */
int vm_build_spec(struct xapid *x, void *ctx, const struct vm *vm, struct ref host,
                  const struct vm_start_options *o, struct agent_vm_spec *ret, struct err *e);

/* Are its disks IDE's, not virtio's? */
bool vm_disks_are_ide(const struct vm *vm);

/* One drive of the VM, with what it holds, as the host sees it. Errors: those of sr_open_at. */
int vm_describe_disk(struct xapid *x, void *ctx, const struct vm *vm, const struct vbd *vbd, struct ref host,
                     struct agent_disk *ret, struct err *e);

void vm_describe_nic(struct xapid *x, void *ctx, const struct vif *vif, struct agent_nic *ret);

#endif
