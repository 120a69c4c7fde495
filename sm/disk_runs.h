#ifndef SM_DISK_RUNS_H
#define SM_DISK_RUNS_H
/*
 * Reading a disk from front to back, one piece ahead of its user, leaving out what holds nothing.
 */
#include "sm/disk.h"

struct disk_runs {
    struct disk *disk;
    const struct disk_map *map;
    size_t max;     /* bytes of a run at most: whole blocks, up to DISK_REQUEST_MAX */
    char *bytes[2]; /* of the run handed out and of the one under way */
    unsigned next;  /* which of the two is under way */
    int64_t offset; /* of the run under way */
    size_t n;       /* 0: none is */
};

/* The map must stay. */
int disk_runs_init(struct disk_runs *r, struct disk *d, const struct disk_map *map, size_t max,
                   struct err *e);

/* The next blocks that may hold something, side by side: 1, with bytes good until the next call; 0 at the
 * end; -1. The last block may be short. */
int co_disk_runs_next(struct disk_runs *r, const char **ret_bytes, int64_t *ret_offset, size_t *ret_n,
                      struct err *e);

/* After a failure the disk is good for closing only. */
void disk_runs_free(struct disk_runs *r);

#endif
