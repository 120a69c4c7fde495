#ifndef XAPID_TRANSFER_DISK_FORMAT_H
#define XAPID_TRANSFER_DISK_FORMAT_H
/*
 * The formats in which a disk is sent and received: raw, vhd (dynamic, or differencing), qcow2. Each is a
 * file with its functions; the table names them.
 */
#include "xapid/storage/open.h"
#include "xapid/transfer/transfer.h"

/* A disk on its way out. */
struct disk_sending {
    struct transfer *transfer;
    struct disk *disk;
    struct disk_map map; /* in blocks of 1 << format->shift */
    const char *uuid;    /* of the VDI */
    const char *parent;  /* uuid of the VDI that the map's blocks are the differences to; NULL: none */
};

struct disk_format {
    const char *name, *content_type, *suffix;
    unsigned shift;
    int64_t max_size; /* of a disk; 0: any */
    bool can_differ;  /* has files that hold the differences to another disk */
    /* How many bytes co_send will send. */
    int64_t (*length)(const struct disk_sending *s);
    int (*co_send)(struct disk_sending *s, struct err *e);
    /* Take the body in and write it to the disk, all of it or as the format says. */
    int (*co_receive)(struct transfer *t, const struct open_vdi *target, struct err *e);
};

extern const struct disk_format disk_format_raw, disk_format_vhd, disk_format_qcow2;

/* NULL when there is none of this name; name NULL: raw. */
const struct disk_format *disk_format_by_name(const char *name);

#endif
