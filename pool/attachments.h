#ifndef POOL_ATTACHMENTS_H
#define POOL_ATTACHMENTS_H
/*
 * What a guest holds on this host beside its hypervisor process: attached disks and taps. Written to
 * STATE/agent/<vm uuid>.json before the first is made and removed after the last is given back, so one
 * idempotent clean-up serves a failed start, a guest that ended, and what a killed daemon left.
 */
#include "pool/agent.h"

/* Note all that spec will attach. 0 or -errno. */
int attachments_note(const char *state_dir, const struct agent_vm_spec *spec);

/* Give back all that is noted for the guest and drop the note. Goes on past failures and reports the first.
 */
int co_attachments_release(const char *state_dir, const char *vm_uuid, struct err *e);

/* Uuids of the guests that have a note; a talloc'd array on ctx. */
const char **attachments_guests(void *ctx, const char *state_dir, unsigned *ret_n);

/* Append the uuids of the VIFs noted for a guest to *vifs (an array on ctx of *n). */
void attachments_add_vifs(void *ctx, const char *state_dir, const char *vm_uuid, const char ***vifs,
                          unsigned *n);

#endif
