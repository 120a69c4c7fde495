#ifndef SM_DISK_H
#define SM_DISK_H
/*
 * The bytes of an attached disk, whatever its format: a qemu-nbd of its own, spoken to through libnbd on the
 * loop. It ends with the connection, so one whose daemon was killed ends too. QEMU's image locks apply: a
 * disk that is being written cannot be opened a second time.
 *
 * One command at a time may be under way besides the caller's other work: start it, do something else, wait
 * for it; nothing else is to be done with the disk meanwhile, and its bytes must stay where they are. A
 * request is at most DISK_REQUEST_MAX. Errors: SR_BACKEND_FAILURE_nn (also when the fiber was cancelled).
 * After one the disk is good for closing only, and no bytes are touched any more.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "sm/sm.h"

enum { DISK_REQUEST_MAX = 4 << 20 };

struct disk;

enum {
    DISK_READ = 0,
    DISK_WRITE = 1,
    DISK_DEPTHS = 2, /* to read, and for co_disk_map_layers */
};
int co_disk_open(const struct sm_attachment *a, unsigned flags, struct disk **ret, struct err *e);

/* The same over a connection to a server of the disk (below) that is elsewhere; fd, its end here, is taken in
 * any case. co_after is called when the disk has been closed, also by a failure. */
int co_disk_open_at(int fd, unsigned flags, void (*co_after)(void *arg), void *arg, struct disk **ret,
                    struct err *e);
int64_t disk_size(const struct disk *d);

/* Whatever was not flushed may be lost. Not to be cancelled; NULL is fine. */
void co_disk_close(struct disk *d);

/* A server of an attached disk for whoever speaks through fd; it ends with the connection. 0 or -errno. */
struct disk_server {
    pid_t pid;
    int fd;
};
int disk_server_start(const struct sm_attachment *a, unsigned flags, struct disk_server *ret);
void co_disk_server_end(struct disk_server *s);

int disk_start_read(struct disk *d, void *bytes, size_t n, int64_t offset, struct err *e);
int disk_start_write(struct disk *d, const void *bytes, size_t n, int64_t offset, struct err *e);
/* Wait for the command under way, if there is one. */
int co_disk_wait(struct disk *d, struct err *e);

int co_disk_read(struct disk *d, void *bytes, size_t n, int64_t offset, struct err *e);
int co_disk_write(struct disk *d, const void *bytes, size_t n, int64_t offset, struct err *e);
int co_disk_zero(struct disk *d, int64_t n, int64_t offset, struct err *e);
int co_disk_flush(struct disk *d, struct err *e);

/* Which blocks of 1 << shift bytes may hold something other than zeros; a bit each. */
struct disk_map {
    unsigned shift;
    int64_t n; /* of blocks */
    unsigned char *bits;
};
int co_disk_map(struct disk *d, unsigned shift, struct disk_map *ret, struct err *e);

/* Instead: which blocks the uppermost `layers` images of the disk's chain have something of their own in
 * (zeros too). For a disk opened with DISK_DEPTHS. */
int co_disk_map_layers(struct disk *d, unsigned shift, unsigned layers, struct disk_map *ret, struct err *e);

/* Take in the blocks of another map of the same shift, as far as there is room. */
void disk_map_join(struct disk_map *m, const struct disk_map *other);
void disk_map_set(struct disk_map *m, int64_t block);
bool disk_map_has(const struct disk_map *m, int64_t block);
int64_t disk_map_count(const struct disk_map *m);
void disk_map_free(struct disk_map *m);

#endif
