#ifndef XAPID_TRANSFER_XVA_RECEIVE_H
#define XAPID_TRANSFER_XVA_RECEIVE_H
/*
 * The disks of an XVA, in: blocks in ascending order, each checked against the checksum that follows it
 * (.xxhash, or .checksum of older ones), gaps being zeros.
 */
#include "xapid/storage/open.h"
#include "xapid/storage/vdi.h"
#include "xapid/transfer/tar_stream.h"
#include "xapid/transfer/xva_read.h"

/* A disk that is being made; nothing names it yet. */
struct arriving_disk {
    struct xva_record *record; /* its id is the directory */
    struct sm_vdi sm;
    struct ref sr;  /* that it is on; null: where all are */
    int64_t next;   /* number of the block to come */
    int64_t offset; /* of it */
    int64_t stride; /* size of the first block */
};

struct arriving {
    struct tar_stream tar;
    struct xva xva;
    struct sr_handle sr;
    unsigned n;
    struct arriving_disk *disks;
    int64_t total, done; /* bytes of disks */
};

/* Take in the rest of the archive. Errors: IMPORT_ERROR_…, those of the storage. */
int co_xva_receive(struct arriving *a, struct err *e);

#endif
