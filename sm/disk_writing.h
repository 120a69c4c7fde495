#ifndef SM_DISK_WRITING_H
#define SM_DISK_WRITING_H
/*
 * Writing a disk while the next piece is being received. Pieces that are all zeros are not written where the
 * disk reads as zeros already, so an image stays as sparse as it was.
 */
#include "sm/disk.h"

enum { DISK_PIECE_SHIFT = 20, DISK_PIECE = 1 << DISK_PIECE_SHIFT };

struct disk_writing {
    struct disk *disk;
    struct disk_map had; /* pieces that may hold something other than zeros */
    char *bytes[2];      /* room for what is being received and for what is being written */
    unsigned next;
};

int co_disk_writing_init(struct disk_writing *w, struct disk *d, struct err *e);

/* Where to put up to DISK_PIECE bytes for the next call. */
char *disk_writing_room(struct disk_writing *w);

/* Write n bytes, which are in the room, from offset on; they lie within the disk. */
int co_disk_writing_put(struct disk_writing *w, size_t n, int64_t offset, struct err *e);

/* The same for n bytes from `at` in the room on, of which other parts are wanted too. */
int co_disk_writing_put_part(struct disk_writing *w, size_t at, size_t n, int64_t offset, struct err *e);

/* Make n bytes from offset on zero. */
int co_disk_writing_zero(struct disk_writing *w, int64_t n, int64_t offset, struct err *e);

/* Wait for what is under way and have it all durable. */
int co_disk_writing_end(struct disk_writing *w, struct err *e);
void disk_writing_free(struct disk_writing *w);

#endif
