#ifndef XAPID_STORAGE_COPY_H
#define XAPID_STORAGE_COPY_H
/*
 * Full copies of disks between SRs, which no one host need have both of.
 */
#include "xapid/storage/vdi.h"

/* Make a disk on sr that holds a copy of source (a VDI that nothing writes). Like co_vdi_make: undo on u, ret
 * on ctx, the caller records it. */
int co_vdi_make_copy(struct xapid *x, void *ctx, struct ref source, struct ref sr, struct undo *u,
                     struct sm_vdi *ret, struct err *e);

/* Overwrite the disk `to` with what `from` holds. */
int co_vdi_copy_data(struct xapid *x, struct ref from_sr, const char *from, struct ref to_sr, const char *to,
                     struct err *e);

#endif
