#ifndef XAPID_STORAGE_VDI_H
#define XAPID_STORAGE_VDI_H
/*
 * Making and removing disks so that storage and rows agree whatever happens in between.
 *
 * Before storage is touched, a note with the disk's uuid goes to STATE/making/ (durable); it goes away once
 * the rows are durable too. co_vdi_settle_notes looks at what notes a crash left, or a host that was lost: a
 * disk with a row but no storage loses its row, one with storage but no row loses its storage.
 */
#include "lib/undo.h"
#include "xapid/storage/sr.h"

enum vdi_making { VDI_MAKE_NEW, VDI_MAKE_CLONE, VDI_MAKE_SNAPSHOT };

struct vdi_making_args {
    enum vdi_making how;
    const char *location;        /* the source's, for CLONE and SNAPSHOT */
    int64_t size;                /* for NEW */
    const struct map *sm_config; /* for NEW */
};

/* Make a disk's storage; its undo step goes on u. The caller records it (vdi_record), commits, and calls
 * co_vdi_made. ret is on ctx. */
int co_vdi_make(struct xapid *x, const struct sr_handle *h, void *ctx, const struct vdi_making_args *a,
                struct undo *u, struct sm_vdi *ret, struct err *e);

/* The disk's row is committed: wait until that is durable and drop the note. */
void co_vdi_made(struct xapid *x, const char *vdi_uuid);

/* Remove storage and row of a disk that nothing uses. */
int co_vdi_remove(struct xapid *x, struct ref vdi, struct err *e);

/* Removing a disk together with other changes of rows: doom it, delete its row in the transaction of all, and
 * once that is committed bury it; where it is not, spare it. What cannot be buried now is
 * once its host is back, or at the next start. */
struct vdi_doomed {
    struct ref vdi, sr;
    char uuid[UUID_TEXT_SIZE], location[256];
};
int co_vdi_doom(struct xapid *x, struct ref vdi, struct vdi_doomed *ret, struct err *e);
void vdi_doomed_delete_row(struct txn *t, const struct vdi_doomed *d);
void co_vdi_bury(struct xapid *x, const struct vdi_doomed *d);
void vdi_spare(struct xapid *x, const struct vdi_doomed *d);
void vdi_leave_doomed(const struct vdi_doomed *d); /* it is buried later */

/* After a crash, and when a host is back. Its SRs must be attached; what cannot be settled now keeps its
 * note, and what operations are at work on is theirs. */
void co_vdi_settle_notes(struct xapid *x);

struct vdi_names {
    const char *label, *description;
};

/* The row of a disk that storage has; uuid as the driver says. */
const struct vdi *vdi_record(struct txn *t, struct ref sr, const struct sm_vdi *sm,
                             const struct vdi_names *names);

/* Give a new disk's row what its source's has: names, type, configs. */
void vdi_inherit(struct txn *t, const struct vdi *to, const struct vdi *from);
void vdi_mark_snapshot(struct txn *t, const struct vdi *snapshot, struct ref of, int64_t when);

/* Delete the row and its VBDs (a CD drive becomes empty instead); a VM whose memory it held has no image, and
 * snapshots of it are of nothing. */
void vdi_delete_row(struct txn *t, const struct vdi *vdi);

#endif
