#ifndef POOL_ATTACHMENTS_H
#define POOL_ATTACHMENTS_H
/*
 * What a guest holds on this host beside its hypervisor process: drives with their attached disks, NICs with
 * their taps. Written to STATE/agent/<vm uuid>.json before the first is made and removed after the last is
 * given back, so one idempotent clean-up serves a failed start, a guest that ended, and what a killed daemon
 * left.
 *
 * A device that is being given to a guest that is up, or taken from it, is noted as changing meanwhile:
 * whether the guest has it only the hypervisor knows.
 *
 * Functions answer 0 or -errno; those that read block shortly and never yield.
 */
#include "pool/agent.h"

/* Note all that spec will attach. */
int attachments_note(const char *state_dir, const struct agent_vm_spec *spec);

/* Note one more device, or another medium in a drive, as changing. */
int attachments_note_disk(const char *state_dir, const char *vm_uuid, const struct agent_disk *d);

int attachments_note_nic(const char *state_dir, const char *vm_uuid, const struct agent_nic *n);

/* -ENOENT when the guest has no note, or no such device in it. */
int attachments_set_changing(const char *state_dir, const char *vm_uuid, const char *device_uuid,
                             bool changing);

struct attachment {
    char uuid[UUID_TEXT_SIZE]; /* of the VBD or VIF */
    enum hv_device_kind kind;
    unsigned number; /* userdevice, or network device */
    bool changing;
    bool copying;                   /* its disk, to another */
    const char *sr_uuid, *location; /* of the disk in the drive; NULL: none */
};

/* All that is noted for a guest, on ctx; NULL when it has no note. */
struct attachment *attachments_read(void *ctx, const char *state_dir, const char *vm_uuid, unsigned *ret_n);

/* Give back one device and forget it, or only the medium of the drive, which is then no longer changing.
 * Succeeds when there is none. */
int co_attachments_release_device(const char *state_dir, const char *vm_uuid, const char *device_uuid,
                                  bool only_medium, struct err *e);

/* The disk that a drive's is being copied to. -ENOENT when the guest has no note, or no such drive in it. */
int attachments_note_copy(const char *state_dir, const char *vm_uuid, const struct agent_disk *d);

/* The drive has this one of the two; the other is given back. Succeeds when there is none. */
int co_attachments_settle_copy(const char *state_dir, const char *vm_uuid, const struct agent_disk *d,
                               struct err *e);

/* Give back all that is noted for the guest and drop the note. Goes on past failures and reports the first.
 */
int co_attachments_release(const char *state_dir, const char *vm_uuid, struct err *e);

/* Uuids of the guests that have a note, a talloc'd array on ctx. At the start of a daemon: notes that were
 * cut short are removed.
 */
const char **attachments_guests(void *ctx, const char *state_dir, unsigned *ret_n);

#endif
