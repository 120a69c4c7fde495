#ifndef XAPID_TRANSFER_TAR_STREAM_H
#define XAPID_TRANSFER_TAR_STREAM_H
/*
 * A tar archive as a transfer's body, entry by entry.
 */
#include "xapid/transfer/tar.h"
#include "xapid/transfer/transfer.h"

struct tar_stream {
    struct transfer *transfer;
    struct tar_entry entry; /* the present one */
    int64_t left;           /* bytes of it that have not been read */
    bool complete;          /* the blocks that end an archive have come */
    bool every_entry;       /* none is passed over */
};

/* The next plain file: 1; 0 at the end; -1. What describes or is no plain file is passed over, or with
 * every_entry answered like one. Errors:
 * IMPORT_ERROR_PREMATURE_EOF when the archive ends within an entry; IMPORT_ERROR for what is no tar. */
int co_tar_next(struct tar_stream *s, struct err *e);

/* Up to n bytes of the entry; 0 at its end. */
ssize_t co_tar_read(struct tar_stream *s, void *bytes, size_t n, struct err *e);

#endif
