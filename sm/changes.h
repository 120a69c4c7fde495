#ifndef SM_CHANGES_H
#define SM_CHANGES_H
/*
 * What differs between two disks that once were one: found in the images' own tables, without reading the
 * disks.
 */
#include "sm/disk.h"

/* One of two disks, opened with DISK_DEPTHS. */
struct changes_side {
    struct disk *disk;
    const struct sm_attachment *at;
};

/* The blocks of the disk `of` that may differ from those of `from`: what either has of its own above the
 * image that both rest on; when they rest on none, everything that either has. */
int co_disk_changes(const struct changes_side *of, const struct changes_side *from, unsigned shift,
                    struct disk_map *ret, struct err *e);

#endif
