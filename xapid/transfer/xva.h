#ifndef XAPID_TRANSFER_XVA_H
#define XAPID_TRANSFER_XVA_H
/*
 * XVA: a tar of ova.xml and, a directory a disk, its blocks of 1 MiB, each with a checksum after it
 * (protocol.md section 8.3). GET /export, /export_metadata (ova.xml alone); PUT /import, /import_metadata.
 * Raw handlers for rpc/http.h.
 */
#include "rpc/http.h"

#define XVA_RECORDS "ova.xml"
enum { XVA_VERSION = 2, XVA_BLOCK_SHIFT = 20, XVA_BLOCK = 1 << XVA_BLOCK_SHIFT, XVA_SUM_DIGITS = 16 };

void co_export(struct http_request *r, struct http_stream *s, void *x);
void co_export_metadata(struct http_request *r, struct http_stream *s, void *x);
void co_import(struct http_request *r, struct http_stream *s, void *x);
void co_import_metadata(struct http_request *r, struct http_stream *s, void *x);

#endif
