#ifndef XAPID_TRANSFER_RAW_VDI_H
#define XAPID_TRANSFER_RAW_VDI_H
/*
 * GET /export_raw_vdi and PUT /import_raw_vdi (protocol.md section 8): one disk's content. The disk stands
 * still meanwhile, under a declared operation. Raw handlers for rpc/http.h.
 */
#include "rpc/http.h"

void co_export_raw_vdi(struct http_request *r, struct http_stream *s, void *x);
void co_import_raw_vdi(struct http_request *r, struct http_stream *s, void *x);

#endif
