#include "xapid/transfer/vhd_receive.h"
#include <stdlib.h>
#include <string.h>
#include "lib/mem.h"
#include "sm/disk_writing.h"
#include "xapid/transfer/vhd.h"

enum { BLOCK = 1 << VHD_BLOCK_SHIFT, BLOCK_SECTORS = BLOCK / VHD_SECTOR, SKIP_MAX = 64 << 20 };

/* Where a block of the disk is in the file. */
struct place {
    uint32_t sector, block;
};

struct incoming {
    struct transfer *transfer;
    struct disk_writing writing;
    struct vhd_info info;
    int64_t at; /* bytes of the file that have come */
    struct place *places;
    uint32_t n;
};

static int damaged(struct err *e, const char *what)
{
    return err_set(e, "VDI_IO_ERROR", 1, what);
}

static int co_take(struct incoming *in, void *bytes, size_t n, struct err *e)
{
    ssize_t r = co_transfer_read(in->transfer, bytes, n, e);

    if (r >= 0 && (size_t)r < n)
        return damaged(e, "The VHD file ends before its data does");
    in->at += r;
    return r < 0 ? -1 : 0;
}

/* Go on to a place in the file, passing over what is of no interest; the room is free for it. */
static int co_skip_to(struct incoming *in, uint64_t to, struct err *e)
{
    if (to < (uint64_t)in->at || to - (uint64_t)in->at > SKIP_MAX)
        return damaged(e, "The parts of the VHD file do not follow each other");
    while ((uint64_t)in->at < to) {
        uint64_t left = to - (uint64_t)in->at;
        if (co_take(in, disk_writing_room(&in->writing), left < DISK_PIECE ? left : DISK_PIECE, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- the tables ---- */

static int by_sector(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->sector < y->sector ? -1 : x->sector > y->sector;
}

/* The blocks in the order of the file; none overlaps another. */
static int sort_places(struct incoming *in, const unsigned char *bat, struct err *e)
{
    uint32_t needed = (uint32_t)((in->info.size + BLOCK - 1) >> VHD_BLOCK_SHIFT);

    in->places = mem_zalloc((needed + 1) * sizeof *in->places);
    for (uint32_t b = 0; b < needed; b++)
        if (vhd_get32(bat + (size_t)b * 4) != VHD_UNUSED)
            in->places[in->n++] = (struct place){vhd_get32(bat + (size_t)b * 4), b};
    qsort(in->places, in->n, sizeof *in->places, by_sector);
    for (uint32_t i = 1; i < in->n; i++)
        if (in->places[i].sector - in->places[i - 1].sector < 1 + BLOCK_SECTORS)
            return damaged(e, "Blocks of the VHD file overlap");
    return 0;
}

static int co_take_bat(struct incoming *in, struct err *e)
{
    size_t size = (size_t)in->info.bat_entries * 4;
    CLEANUP_FREE unsigned char *bat = mem_zalloc(size);

    if (co_skip_to(in, in->info.bat_offset, e) < 0 || co_take(in, bat, size, e) < 0)
        return -1;
    return sort_places(in, bat, e);
}

/* 0, 1 when not a byte came, -1. */
static int co_take_tables(struct incoming *in, struct err *e)
{
    unsigned char bytes[VHD_HEADER];
    ssize_t n = co_transfer_read(in->transfer, bytes, VHD_FOOTER, e);

    if (n <= 0)
        return n < 0 ? -1 : 1;
    in->at = n;
    if (n < VHD_FOOTER || !vhd_read_footer(bytes, &in->info))
        return damaged(e, "This is no VHD file");
    if (in->info.type == VHD_FIXED)
        return damaged(e, "VHD files of a fixed size cannot be taken");
    if (in->info.size > disk_size(in->writing.disk))
        return damaged(e, "The VHD file is of a larger disk");
    if (co_skip_to(in, in->info.header_offset, e) < 0 || co_take(in, bytes, VHD_HEADER, e) < 0)
        return -1;
    return vhd_read_header(bytes, &in->info) ? co_take_bat(in, e)
                                             : damaged(e, "The VHD file's header is damaged");
}

/* ---- the blocks ---- */

/* Zeros wherever a dynamic file has nothing. */
static int co_clear_rest(struct incoming *in, struct err *e)
{
    int64_t blocks = (in->info.size + BLOCK - 1) >> VHD_BLOCK_SHIFT;
    CLEANUP_FREE unsigned char *there = mem_zalloc((size_t)blocks);

    for (uint32_t i = 0; i < in->n; i++)
        there[in->places[i].block] = 1;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t left = in->info.size - (b << VHD_BLOCK_SHIFT);
        if (!there[b] &&
            co_disk_writing_zero(&in->writing, left < BLOCK ? left : BLOCK, b << VHD_BLOCK_SHIFT, e) < 0)
            return -1;
    }
    return 0;
}

static bool has_sector(const unsigned char *bitmap, unsigned sector)
{
    return bitmap[sector / 8] & 0x80 >> sector % 8;
}

/* The sectors [from, from + n) of a block, in the room: write those that the bitmap has. */
static int co_put_sectors(struct incoming *in, const unsigned char *bitmap, unsigned from, unsigned n,
                          int64_t offset, struct err *e)
{
    unsigned first = 0, last;

    for (; first < n; first = last) {
        bool there = has_sector(bitmap, from + first);
        for (last = first + 1; last < n && has_sector(bitmap, from + last) == there;)
            last++;
        int64_t at = offset + (int64_t)first * VHD_SECTOR, size = (int64_t)(last - first) * VHD_SECTOR;
        int rc = 0;
        if (there && last - first == n)
            rc = co_disk_writing_put(&in->writing, (size_t)size, at, e);
        else if (there)
            rc = co_disk_writing_put_part(&in->writing, (size_t)first * VHD_SECTOR, (size_t)size, at, e);
        else if (in->info.type == VHD_DYNAMIC)
            rc = co_disk_writing_zero(&in->writing, size, at, e);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int co_take_block(struct incoming *in, uint32_t block, struct err *e)
{
    int64_t offset = (int64_t)block << VHD_BLOCK_SHIFT;
    unsigned char bitmap[VHD_BITMAP];

    if (co_take(in, bitmap, sizeof bitmap, e) < 0)
        return -1;
    for (int64_t at = 0; at < BLOCK; at += DISK_PIECE) {
        int64_t left = in->info.size - offset - at, n = left < DISK_PIECE ? left : DISK_PIECE;
        if (co_take(in, disk_writing_room(&in->writing), DISK_PIECE, e) < 0)
            return -1;
        if (n > 0 && co_put_sectors(in, bitmap, (unsigned)(at / VHD_SECTOR), (unsigned)(n / VHD_SECTOR),
                                    offset + at, e) < 0)
            return -1;
    }
    return 0;
}

/* The footer ends the file; a body of known length is read to its own end. */
static int co_take_end(struct incoming *in, struct err *e)
{
    unsigned char footer[VHD_FOOTER];
    struct vhd_info again;
    ssize_t n;

    if (co_take(in, footer, sizeof footer, e) < 0)
        return -1;
    if (!vhd_read_footer(footer, &again) || again.size != in->info.size)
        return damaged(e, "The VHD file's end is damaged");
    do
        n = in->transfer->body_left == TRANSFER_UNKNOWN
                ? 0
                : co_transfer_read(in->transfer, disk_writing_room(&in->writing), DISK_PIECE, e);
    while (n > 0);
    return n < 0 ? -1 : co_disk_writing_end(&in->writing, e);
}

static int co_take_all(struct incoming *in, struct err *e)
{
    int rc = co_take_tables(in, e);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (in->info.type == VHD_DYNAMIC && co_clear_rest(in, e) < 0)
        return -1;
    for (uint32_t i = 0; i < in->n; i++) {
        if (co_skip_to(in, (uint64_t)in->places[i].sector * VHD_SECTOR, e) < 0 ||
            co_take_block(in, in->places[i].block, e) < 0)
            return -1;
        call_progress(&in->transfer->call, (i + 1.0) / in->n * 0.99);
    }
    return co_take_end(in, e);
}

int co_vhd_receive(struct transfer *t, const struct open_vdi *target, struct err *e)
{
    struct incoming in = {.transfer = t};
    int rc = co_disk_writing_init(&in.writing, target->disk, e);

    if (rc == 0)
        rc = co_take_all(&in, e);
    disk_writing_free(&in.writing);
    free(in.places);
    return rc;
}
