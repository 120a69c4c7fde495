#ifndef XAPID_TRANSFER_XVA_DATA_H
#define XAPID_TRANSFER_XVA_DATA_H
/*
 * The files of an XVA, out.
 */
#include "sm/disk.h"
#include "xapid/transfer/transfer.h"

/* A whole file: header, content, padding. */
int co_xva_send_file(struct transfer *t, const char *name, const void *bytes, size_t n, struct err *e);

/* The blocks that two blocks of zeros end the archive with. */
int co_xva_send_end(struct transfer *t, struct err *e);

/* A disk as directory: its first and last blocks and those between that are not all zeros, with their
 * checksums. *done of total bytes have been sent before; it moves on with the work. */
int co_xva_send_disk(struct transfer *t, const char *directory, struct disk *d, int64_t *done, int64_t total,
                     struct err *e);

/* XXH64 as 16 upper-case hexadecimal digits. */
void xva_sum(char out[17], const void *bytes, size_t n);

#endif
