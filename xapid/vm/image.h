#ifndef XAPID_VM_IMAGE_H
#define XAPID_VM_IMAGE_H
/*
 * The memory image of a VM: a VDI of type suspend that VM.suspend_VDI names.
 */
#include "pool/agent.h"
#include "xapid/storage/vdi.h"

/* The SR for it: the VM's own choice, the pool's, its host's; one that the VM's host has attached before
 * another. VM_NO_SUSPEND_SR when none of them is there. Never yields. */
int image_choose_sr(struct call *c, const struct vm *vm, struct ref *ret, struct err *e);

/* Make a disk that can take the image; like co_vdi_make. */
int co_image_make(struct call *c, const struct vm *vm, const struct sr_handle *h, struct undo *u,
                  struct sm_vdi *ret, struct err *e);

/* As the agent of a host takes it; h must outlive the use. */
void image_of_storage(const struct sr_handle *h, const struct sm_vdi *sm, struct agent_image *ret);
int image_of_vdi(struct xapid *x, void *ctx, struct ref vdi, struct ref host, struct agent_image *ret,
                 struct err *e);

/* Its row, made the VM's suspend_VDI. In the caller's transaction. */
const struct vdi *image_record(struct txn *t, const struct vm *vm, const struct sr_handle *h,
                               const struct sm_vdi *sm);

/* Remove the image, if there is one: the VM is not suspended any more and that has been committed. What
 * cannot be removed now is removed at the next start of the daemon. Runs to its end even in a cancelled
 * fiber. */
void co_image_forget(struct xapid *x, struct ref vm);

#endif
