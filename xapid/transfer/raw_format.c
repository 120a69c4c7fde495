/* The raw format: the disk's bytes, all of them. */
#include <stdio.h>
#include "sm/disk_runs.h"
#include "sm/disk_writing.h"
#include "xapid/transfer/disk_format.h"

static int64_t length(const struct disk_sending *s)
{
    return disk_size(s->disk);
}

static int co_send_runs(struct disk_sending *s, struct disk_runs *r, struct err *e)
{
    struct transfer *t = s->transfer;
    int64_t at = 0, offset, size = disk_size(s->disk);
    const char *bytes;
    size_t n;
    int rc;

    while ((rc = co_disk_runs_next(r, &bytes, &offset, &n, e)) > 0) {
        if (co_transfer_write_zeros(t, offset - at, e) < 0 || co_transfer_write(t, bytes, n, e) < 0)
            return -1;
        at = offset + (int64_t)n;
        call_progress(&t->call, (double)at / (double)size * 0.99);
    }
    return rc < 0 ? -1 : co_transfer_write_zeros(t, size - at, e);
}

static int co_send(struct disk_sending *s, struct err *e)
{
    struct disk_runs r;
    int rc = disk_runs_init(&r, s->disk, &s->map, DISK_PIECE, e);

    if (rc == 0)
        rc = co_send_runs(s, &r, e);
    disk_runs_free(&r);
    return rc;
}

/* A body whose length was not told must fill the disk, or nobody could say whether it was cut; one without a
 * byte was a client's attempt. */
static int check_end(const struct transfer *t, int64_t at, int64_t size, struct err *e)
{
    if (t->body_left != TRANSFER_UNKNOWN || at == 0 || at == size)
        return 0;
    return err_set(e, "VDI_IO_ERROR", 1, "The upload ended before the disk was full");
}

static int too_much(int64_t size, struct err *e)
{
    char text[64];

    snprintf(text, sizeof text, "The disk has room for %lld bytes only", (long long)size);
    return err_set(e, "VDI_IO_ERROR", 1, text);
}

static int co_receive_pieces(struct transfer *t, struct disk_writing *w, struct err *e)
{
    int64_t at = 0, size = disk_size(w->disk);
    ssize_t n;

    for (;;) {
        n = co_transfer_read(t, disk_writing_room(w), DISK_PIECE, e);
        if (n <= 0)
            break;
        if (n > size - at)
            return too_much(size, e);
        if (co_disk_writing_put(w, (size_t)n, at, e) < 0)
            return -1;
        at += n;
        call_progress(&t->call, (double)at / (double)size * 0.99);
    }
    return n < 0 || check_end(t, at, size, e) < 0 ? -1 : co_disk_writing_end(w, e);
}

static int co_receive(struct transfer *t, const struct open_vdi *target, struct err *e)
{
    struct disk_writing w;
    int rc = co_disk_writing_init(&w, target->disk, e);

    if (rc == 0)
        rc = co_receive_pieces(t, &w, e);
    disk_writing_free(&w);
    return rc;
}

const struct disk_format disk_format_raw = {.name = "raw",
                                            .content_type = "application/octet-stream",
                                            .suffix = "raw",
                                            .shift = DISK_PIECE_SHIFT,
                                            .length = length,
                                            .co_send = co_send,
                                            .co_receive = co_receive};
