/* The vhd format on its way out: what the disk's map says gives the whole layout before the first byte
 * leaves. */
#include <string.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "sm/disk_runs.h"
#include "xapid/transfer/disk_format.h"
#include "xapid/transfer/vhd.h"
#include "xapid/transfer/vhd_receive.h"

enum { BLOCK = 1 << VHD_BLOCK_SHIFT, BAT_OFFSET = VHD_FOOTER + VHD_HEADER };

static int64_t bat_size(const struct disk_map *m)
{
    return (m->n * 4 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

static int64_t length(const struct disk_sending *s)
{
    return BAT_OFFSET + bat_size(&s->map) + disk_map_count(&s->map) * (VHD_BITMAP + BLOCK) + VHD_FOOTER;
}

/* Blocks follow the table in the order of the disk. */
static void fill_bat(unsigned char *bat, const struct disk_map *m)
{
    int64_t at = BAT_OFFSET + bat_size(m);

    memset(bat, 0xff, (size_t)bat_size(m));
    for (int64_t b = 0; b < m->n; b++)
        if (disk_map_has(m, b)) {
            vhd_put32(bat + b * 4, (uint32_t)(at / VHD_SECTOR));
            at += VHD_BITMAP + BLOCK;
        }
}

static int co_send_tables(struct disk_sending *s, unsigned char *footer, struct err *e)
{
    struct vhd_info i = {.type = s->parent ? VHD_DIFFERENCING : VHD_DYNAMIC,
                         .parent = s->parent,
                         .size = disk_size(s->disk),
                         .header_offset = VHD_FOOTER,
                         .bat_offset = BAT_OFFSET,
                         .bat_entries = (uint32_t)s->map.n,
                         .block_size = BLOCK};
    unsigned char header[VHD_HEADER];
    CLEANUP_FREE unsigned char *bat = mem_zalloc((size_t)bat_size(&s->map));

    vhd_footer(footer, &i, s->uuid, clock_wall());
    vhd_header(header, &i);
    fill_bat(bat, &s->map);
    if (co_transfer_write(s->transfer, footer, VHD_FOOTER, e) < 0 ||
        co_transfer_write(s->transfer, header, VHD_HEADER, e) < 0)
        return -1;
    return co_transfer_write(s->transfer, bat, (size_t)bat_size(&s->map), e);
}

static int co_send_blocks(struct disk_sending *s, struct disk_runs *r, struct err *e)
{
    struct transfer *t = s->transfer;
    unsigned char bitmap[VHD_BITMAP];
    const char *bytes;
    int64_t offset;
    size_t n;
    int rc;

    memset(bitmap, 0xff, sizeof bitmap);
    while ((rc = co_disk_runs_next(r, &bytes, &offset, &n, e)) > 0) {
        if (co_transfer_write(t, bitmap, sizeof bitmap, e) < 0 || co_transfer_write(t, bytes, n, e) < 0 ||
            co_transfer_write_zeros(t, BLOCK - (int64_t)n, e) < 0)
            return -1;
        call_progress(&t->call, (double)offset / (double)disk_size(s->disk) * 0.99);
    }
    return rc;
}

static int co_send(struct disk_sending *s, struct err *e)
{
    unsigned char footer[VHD_FOOTER];
    struct disk_runs r;

    if (co_send_tables(s, footer, e) < 0)
        return -1;
    int rc = disk_runs_init(&r, s->disk, &s->map, BLOCK, e);
    if (rc == 0)
        rc = co_send_blocks(s, &r, e);
    disk_runs_free(&r);
    return rc < 0 ? -1 : co_transfer_write(s->transfer, footer, VHD_FOOTER, e);
}

const struct disk_format disk_format_vhd = {.name = "vhd",
                                            .content_type = "application/vhd",
                                            .suffix = "vhd",
                                            .shift = VHD_BLOCK_SHIFT,
                                            .max_size = VHD_MAX_SIZE,
                                            .can_differ = true,
                                            .length = length,
                                            .co_send = co_send,
                                            .co_receive = co_vhd_receive};
