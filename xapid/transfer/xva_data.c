#include "xapid/transfer/xva_data.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include "lib/clock.h"
#include "sm/disk_runs.h"
#include "xapid/transfer/tar.h"
#include "xapid/transfer/xva.h"

int co_xva_send_file(struct transfer *t, const char *name, const void *bytes, size_t n, struct err *e)
{
    unsigned char header[TAR_BLOCK];

    tar_header(header, name, (int64_t)n, clock_wall());
    if (co_transfer_write(t, header, sizeof header, e) < 0 || co_transfer_write(t, bytes, n, e) < 0)
        return -1;
    return co_transfer_write_zeros(t, tar_padding((int64_t)n), e);
}

int co_xva_send_end(struct transfer *t, struct err *e)
{
    return co_transfer_write_zeros(t, 2 * TAR_BLOCK, e);
}

void xva_sum(char out[17], const void *bytes, size_t n)
{
    snprintf(out, 17, "%016" PRIX64, (uint64_t)XXH64(bytes, n, 0));
}

static int co_send_block(struct transfer *t, const char *directory, int64_t number, const char *bytes,
                         size_t n, struct err *e)
{
    char name[TAR_NAME_MAX], sum[17];

    snprintf(name, sizeof name, "%s/%08" PRId64, directory, number);
    if (co_xva_send_file(t, name, bytes, n, e) < 0)
        return -1;
    snprintf(name, sizeof name, "%s/%08" PRId64 ".xxhash", directory, number);
    xva_sum(sum, bytes, n);
    return co_xva_send_file(t, name, sum, XVA_SUM_DIGITS, e);
}

static bool is_zero(const char *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

static int co_send_blocks(struct transfer *t, const char *directory, struct disk_runs *r, int64_t *done,
                          int64_t total, struct err *e)
{
    int64_t offset, last = r->map->n - 1, before = *done;
    const char *bytes;
    size_t n;
    int rc;

    while ((rc = co_disk_runs_next(r, &bytes, &offset, &n, e)) > 0) {
        int64_t number = offset >> XVA_BLOCK_SHIFT;
        if (number > 0 && number < last && is_zero(bytes, n))
            continue;
        if (co_send_block(t, directory, number, bytes, n, e) < 0)
            return -1;
        *done = before + offset + (int64_t)n;
        call_progress(&t->call, (double)*done / (double)total * 0.99);
    }
    return rc;
}

int co_xva_send_disk(struct transfer *t, const char *directory, struct disk *d, int64_t *done, int64_t total,
                     struct err *e)
{
    struct disk_map map;
    struct disk_runs r;

    if (co_disk_map(d, XVA_BLOCK_SHIFT, &map, e) < 0)
        return -1;
    /* These two are there whatever they hold: they tell the size. */
    disk_map_set(&map, 0);
    disk_map_set(&map, map.n - 1);
    int rc = disk_runs_init(&r, d, &map, XVA_BLOCK, e);
    if (rc == 0)
        rc = co_send_blocks(t, directory, &r, done, total, e);
    disk_runs_free(&r);
    disk_map_free(&map);
    return rc;
}
