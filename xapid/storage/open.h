#ifndef XAPID_STORAGE_OPEN_H
#define XAPID_STORAGE_OPEN_H
/*
 * The bytes of a VDI, for as long as its caller holds a declared operation on it; wherever its SR is
 * attached.
 */
#include "sm/disk.h"
#include "xapid/storage/sr.h"

/* An attached, opened VDI. */
struct open_vdi {
    struct disk *disk; /* NULL: not open */
    struct sr_handle sr;
    const char *location;    /* on the caller's ctx */
    struct sm_attachment at; /* when that is this host */
};

/* Attach and open; flags as in sm/disk.h. Errors: HANDLE_INVALID, those of sr_open, the driver's and of
 * sm/disk.h. */
int co_vdi_open(struct xapid *x, void *ctx, struct ref vdi, unsigned flags, struct open_vdi *ret,
                struct err *e);

/* The same for a disk that has no row (yet): its SR and place. location must outlive it. */
int co_vdi_open_location(const struct sr_handle *sr, void *ctx, const char *location, unsigned flags,
                         struct open_vdi *ret, struct err *e);

/* Close and detach; safe when not open. Not to be cancelled. */
void co_vdi_close(struct open_vdi *o);

/* Detach a disk whatever becomes of the caller; failures are logged. */
void co_vdi_detach(const struct sr_handle *h, const char *location);

#endif
