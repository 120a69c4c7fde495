#ifndef XAPID_TRANSFER_BLOB_H
#define XAPID_TRANSFER_BLOB_H
/*
 * GET and PUT /blob: the content of an attachment (protocol.md section 8). Public ones may be read by
 * anybody. Raw handlers for rpc/http.h.
 */
#include "rpc/http.h"

void co_blob_get(struct http_request *r, struct http_stream *s, void *x);
void co_blob_put(struct http_request *r, struct http_stream *s, void *x);

#endif
