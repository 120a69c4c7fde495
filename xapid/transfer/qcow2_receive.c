#include "xapid/transfer/qcow2_receive.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "sm/disk_runs.h"
#include "sm/disk_writing.h"
#include "sm/image.h"
#include "sm/qcow2.h"

static int damaged(struct err *e, const char *what)
{
    return err_set(e, "VDI_IO_ERROR", 1, what);
}

/* ---- the file ---- */

struct keeping {
    const char *folder;
    int fd;
    const char *bytes;
    size_t n;
};

/* These run on a worker, since they wait for the disk. */

/* It has no name, so it goes with its descriptor, also when the daemon is killed. */
static int make_file(void *arg)
{
    struct keeping *k = arg;

    k->fd = open(k->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return k->fd < 0 ? -errno : 0;
}

static int append(void *arg)
{
    struct keeping *k = arg;

    return fd_write_all(k->fd, k->bytes, k->n);
}

/* Keep the whole body; the number of bytes, or -1. */
static int64_t co_keep(struct transfer *t, int fd, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(DISK_PIECE);
    int64_t length = t->body_left == TRANSFER_UNKNOWN ? 0 : t->body_left, total = 0;
    ssize_t n;

    while ((n = co_transfer_read(t, bytes, DISK_PIECE, e)) > 0) {
        struct keeping k = {.fd = fd, .bytes = bytes, .n = (size_t)n};
        int rc = co_run_worker(append, &k, "keeping a qcow2 file");
        if (rc < 0)
            return sm_fail_errno(e, SM_FAIL_UNKNOWN, rc, "keeping a qcow2 file");
        total += n;
        if (length > 0)
            call_progress(&t->call, (double)total / (double)length / 2);
    }
    return n < 0 ? -1 : total;
}

/* ---- its content ---- */

/* Nothing may lead to another file: QEMU would open that with our rights. */
static int check_header(const char *path, struct err *e)
{
    struct qcow2_info info;

    if (qcow2_read_info(path, &info) < 0)
        return damaged(e, "This is no qcow2 file");
    if (info.backing[0])
        return damaged(e, "The qcow2 file rests on another file");
    if (info.incompatible & ~(uint64_t)QCOW2_SELF_CONTAINED)
        return damaged(
            e,
            "The qcow2 file is damaged, keeps its data elsewhere, or has features that are not known here");
    return info.encrypted ? damaged(e, "The qcow2 file is encrypted") : 0;
}

static int co_copy_runs(struct transfer *t, struct disk_runs *r, struct disk_writing *w, struct err *e)
{
    int64_t at = 0, offset, size = disk_size(r->disk);
    const char *bytes;
    size_t n;
    int rc;

    while ((rc = co_disk_runs_next(r, &bytes, &offset, &n, e)) > 0) {
        if (co_disk_writing_zero(w, offset - at, at, e) < 0)
            return -1;
        memcpy(disk_writing_room(w), bytes, n);
        if (co_disk_writing_put(w, n, offset, e) < 0)
            return -1;
        at = offset + (int64_t)n;
        call_progress(&t->call, 0.5 + (double)at / (double)size * 0.49);
    }
    if (rc < 0 || co_disk_writing_zero(w, disk_size(w->disk) - at, at, e) < 0)
        return -1;
    return co_disk_writing_end(w, e);
}

static int co_copy(struct transfer *t, struct disk *from, struct disk *to, struct err *e)
{
    struct disk_writing w = {0};
    struct disk_runs r = {0};
    struct disk_map map = {0};

    if (disk_size(from) > disk_size(to))
        return damaged(e, "The qcow2 file is of a larger disk");
    int rc = co_disk_map(from, DISK_PIECE_SHIFT, &map, e);
    if (rc == 0)
        rc = co_disk_writing_init(&w, to, e);
    if (rc == 0)
        rc = disk_runs_init(&r, from, &map, DISK_PIECE, e);
    if (rc == 0)
        rc = co_copy_runs(t, &r, &w, e);
    disk_runs_free(&r);
    disk_writing_free(&w);
    disk_map_free(&map);
    return rc;
}

static int co_take_content(struct transfer *t, int fd, struct disk *to, struct err *e)
{
    /* What the name stands for is open here, and so for the programs of the same user too. */
    const char *path = talloc_asprintf(t->request->mem, "/proc/%d/fd/%d", (int)getpid(), fd);
    struct sm_attachment at = {.path = path, .format = "qcow2"};
    struct disk *from;

    if (check_header(path, e) < 0)
        return -1;
    if (co_image_check(path, e) < 0 || co_disk_open(&at, DISK_READ, &from, e) < 0)
        return -1;
    int rc = co_copy(t, from, to, e);
    co_disk_close(from);
    return rc;
}

int co_qcow2_receive(struct transfer *t, const struct open_vdi *target, struct err *e)
{
    const char *folder = target->at.folder ? target->at.folder : "/var/tmp";
    struct keeping k = {.folder = folder, .fd = -1};
    int rc = co_run_worker(make_file, &k, "a file for an upload");

    if (rc < 0)
        return sm_fail_errno(e, SM_FAIL_UNKNOWN, rc, "making a file for an upload");
    CLEANUP_FD int fd = k.fd;
    int64_t n = co_keep(t, fd, e);
    return n > 0 ? co_take_content(t, fd, target->disk, e) : (int)n;
}
