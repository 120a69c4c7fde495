#ifndef XAPID_BLOB_BLOB_H
#define XAPID_BLOB_BLOB_H
/*
 * Binary attachments. The content of a blob is STATE/blobs/<uuid>, absent while nothing was uploaded; its row
 * tells the size. An upload is a file beside it until it is whole.
 */
#include "xapid/call.h"
#include "xapid/server.h"

/* Path of a blob's content, on ctx. */
char *blob_path(void *ctx, const struct xapid *x, const char *uuid);

/* A new, empty one. mime_type "": application/octet-stream. */
const struct blob *blob_record(struct txn *t, const char *name, const char *mime_type, bool public);

/* At the daemon's start: remove what belongs to no row, and have rows tell the sizes that files have. Blocks.
 */
void blobs_settle(struct xapid *x);

#endif
