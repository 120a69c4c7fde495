/* The qcow2 format on its way out: all tables first, then the clusters that hold something, in the order of
 * the disk. Layout: docs/interop/qcow2.txt of QEMU, version 3. Numbers are big-endian. */
#include <endian.h>
#include <string.h>
#include "lib/mem.h"
#include "sm/disk_runs.h"
#include "sm/disk_writing.h"
#include "xapid/transfer/disk_format.h"
#include "xapid/transfer/qcow2_receive.h"

enum {
    CLUSTER_SHIFT = 16,
    CLUSTER = 1 << CLUSTER_SHIFT,
    TABLE_ENTRIES = CLUSTER / 8,  /* of an L2 table, and of a cluster of the other tables of offsets */
    COUNTS_A_BLOCK = CLUSTER / 2, /* of 16 bits */
    HEADER_LENGTH = 104,
};
/* The reference count of what it points to is one. */
static const uint64_t copied = (uint64_t)1 << 63;

/* How many clusters each part takes; they follow each other in this order, after the header's. */
struct layout {
    int64_t count_table, count_blocks, l1, l2, data;
    int64_t l1_entries;
};

static int64_t parts(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

static bool has_table(const struct disk_map *m, int64_t table)
{
    int64_t end = (table + 1) * TABLE_ENTRIES;

    for (int64_t c = table * TABLE_ENTRIES; c < end && c < m->n; c++)
        if (disk_map_has(m, c))
            return true;
    return false;
}

static int64_t total(const struct layout *l)
{
    return 1 + l->count_table + l->count_blocks + l->l1 + l->l2 + l->data;
}

/* The counts count themselves: grow them until there is room for all. */
static struct layout lay_out(const struct disk_map *m)
{
    struct layout l = {.l1_entries = parts(m->n, TABLE_ENTRIES), .data = disk_map_count(m)};
    int64_t blocks;

    l.l1 = parts(l.l1_entries, TABLE_ENTRIES);
    for (int64_t t = 0; t < l.l1_entries; t++)
        l.l2 += has_table(m, t);
    while ((blocks = parts(total(&l), COUNTS_A_BLOCK)) > l.count_blocks) {
        l.count_blocks = blocks;
        l.count_table = parts(blocks, TABLE_ENTRIES);
    }
    return l;
}

static int64_t length(const struct disk_sending *s)
{
    struct layout l = lay_out(&s->map);

    return total(&l) << CLUSTER_SHIFT;
}

/* ---- tables, a cluster at a time ---- */

static void put32(unsigned char *at, uint32_t v)
{
    v = htobe32(v);
    memcpy(at, &v, sizeof v);
}

static void put64(unsigned char *at, uint64_t v)
{
    v = htobe64(v);
    memcpy(at, &v, sizeof v);
}

static int co_send_header(struct disk_sending *s, const struct layout *l, unsigned char *cluster,
                          struct err *e)
{
    memset(cluster, 0, CLUSTER);
    memcpy(cluster, "QFI\xfb", 4);
    put32(cluster + 4, 3);
    put32(cluster + 20, CLUSTER_SHIFT);
    put64(cluster + 24, (uint64_t)disk_size(s->disk));
    put32(cluster + 36, (uint32_t)l->l1_entries);
    put64(cluster + 40, (uint64_t)(1 + l->count_table + l->count_blocks) << CLUSTER_SHIFT);
    put64(cluster + 48, 1 << CLUSTER_SHIFT);
    put32(cluster + 56, (uint32_t)l->count_table);
    put32(cluster + 96, 4);
    put32(cluster + 100, HEADER_LENGTH);
    return co_transfer_write(s->transfer, cluster, CLUSTER, e);
}

/* A table whose n entries point to clusters that follow each other from `first` on. */
static int co_send_pointers(struct disk_sending *s, unsigned char *cluster, int64_t n, int64_t first,
                            struct err *e)
{
    for (int64_t at = 0; at < n; at += TABLE_ENTRIES) {
        memset(cluster, 0, CLUSTER);
        for (int64_t i = at; i < n && i < at + TABLE_ENTRIES; i++)
            put64(cluster + (i - at) * 8, (uint64_t)(first + i) << CLUSTER_SHIFT);
        if (co_transfer_write(s->transfer, cluster, CLUSTER, e) < 0)
            return -1;
    }
    return 0;
}

/* Every cluster of the file is used once. */
static int co_send_counts(struct disk_sending *s, const struct layout *l, unsigned char *cluster,
                          struct err *e)
{
    int64_t n = total(l);

    for (int64_t at = 0; at < l->count_blocks * COUNTS_A_BLOCK; at += COUNTS_A_BLOCK) {
        memset(cluster, 0, CLUSTER);
        for (int64_t i = at; i < n && i < at + COUNTS_A_BLOCK; i++)
            cluster[(i - at) * 2 + 1] = 1;
        if (co_transfer_write(s->transfer, cluster, CLUSTER, e) < 0)
            return -1;
    }
    return 0;
}

static int co_send_l1(struct disk_sending *s, const struct layout *l, unsigned char *cluster, struct err *e)
{
    int64_t next = 1 + l->count_table + l->count_blocks + l->l1;

    for (int64_t at = 0; at < l->l1_entries; at += TABLE_ENTRIES) {
        memset(cluster, 0, CLUSTER);
        for (int64_t i = at; i < l->l1_entries && i < at + TABLE_ENTRIES; i++)
            if (has_table(&s->map, i))
                put64(cluster + (i - at) * 8, (uint64_t)next++ << CLUSTER_SHIFT | copied);
        if (co_transfer_write(s->transfer, cluster, CLUSTER, e) < 0)
            return -1;
    }
    return 0;
}

static int co_send_l2(struct disk_sending *s, const struct layout *l, unsigned char *cluster, struct err *e)
{
    int64_t next = total(l) - l->data;

    for (int64_t t = 0; t < l->l1_entries; t++) {
        if (!has_table(&s->map, t))
            continue;
        memset(cluster, 0, CLUSTER);
        for (int64_t c = t * TABLE_ENTRIES; c < s->map.n && c < (t + 1) * TABLE_ENTRIES; c++)
            if (disk_map_has(&s->map, c))
                put64(cluster + (c - t * TABLE_ENTRIES) * 8, (uint64_t)next++ << CLUSTER_SHIFT | copied);
        if (co_transfer_write(s->transfer, cluster, CLUSTER, e) < 0)
            return -1;
    }
    return 0;
}

static int co_send_tables(struct disk_sending *s, struct err *e)
{
    struct layout l = lay_out(&s->map);
    CLEANUP_FREE unsigned char *cluster = mem_zalloc(CLUSTER);

    if (co_send_header(s, &l, cluster, e) < 0 ||
        co_send_pointers(s, cluster, l.count_blocks, 1 + l.count_table, e) < 0 ||
        co_send_counts(s, &l, cluster, e) < 0 || co_send_l1(s, &l, cluster, e) < 0)
        return -1;
    return co_send_l2(s, &l, cluster, e);
}

/* ---- data ---- */

static int co_send_clusters(struct disk_sending *s, struct disk_runs *r, struct err *e)
{
    struct transfer *t = s->transfer;
    const char *bytes;
    int64_t offset;
    size_t n;
    int rc;

    while ((rc = co_disk_runs_next(r, &bytes, &offset, &n, e)) > 0) {
        if (co_transfer_write(t, bytes, n, e) < 0 ||
            co_transfer_write_zeros(t, -(int64_t)n & (CLUSTER - 1), e) < 0)
            return -1;
        call_progress(&t->call, (double)offset / (double)disk_size(s->disk) * 0.99);
    }
    return rc;
}

static int co_send(struct disk_sending *s, struct err *e)
{
    struct disk_runs r;

    if (co_send_tables(s, e) < 0)
        return -1;
    int rc = disk_runs_init(&r, s->disk, &s->map, DISK_PIECE, e);
    if (rc == 0)
        rc = co_send_clusters(s, &r, e);
    disk_runs_free(&r);
    return rc;
}

const struct disk_format disk_format_qcow2 = {.name = "qcow2",
                                              .content_type = "application/x-qemu-disk",
                                              .suffix = "qcow2",
                                              .shift = CLUSTER_SHIFT,
                                              .length = length,
                                              .co_send = co_send,
                                              .co_receive = co_qcow2_receive};
