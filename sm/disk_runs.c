#include "sm/disk_runs.h"
#include "lib/mem.h"

/* Find the next blocks from `from` on and begin to read them. */
static int start_next(struct disk_runs *r, int64_t from, struct err *e)
{
    const struct disk_map *m = r->map;
    int64_t first = from >> m->shift, last, size = disk_size(r->disk), most = (int64_t)(r->max >> m->shift);

    while (first < m->n && !disk_map_has(m, first))
        first++;
    r->n = 0;
    if (first >= m->n)
        return 0;
    for (last = first + 1; last < m->n && last - first < most && disk_map_has(m, last);)
        last++;
    r->offset = first << m->shift;
    int64_t end = last << m->shift < size ? last << m->shift : size;
    r->n = (size_t)(end - r->offset);
    return disk_start_read(r->disk, r->bytes[r->next], r->n, r->offset, e);
}

int disk_runs_init(struct disk_runs *r, struct disk *d, const struct disk_map *map, size_t max, struct err *e)
{
    *r = (struct disk_runs){.disk = d, .map = map, .max = max};
    r->bytes[0] = mem_zalloc(max);
    r->bytes[1] = mem_zalloc(max);
    return start_next(r, 0, e);
}

int co_disk_runs_next(struct disk_runs *r, const char **ret_bytes, int64_t *ret_offset, size_t *ret_n,
                      struct err *e)
{
    if (r->n == 0)
        return 0;
    if (co_disk_wait(r->disk, e) < 0)
        return -1;
    *ret_bytes = r->bytes[r->next];
    *ret_offset = r->offset;
    *ret_n = r->n;
    r->next ^= 1;
    return start_next(
               r, r->offset + (((int64_t)r->n + (1 << r->map->shift) - 1) >> r->map->shift << r->map->shift),
               e) < 0
               ? -1
               : 1;
}

void disk_runs_free(struct disk_runs *r)
{
    free(r->bytes[0]);
    free(r->bytes[1]);
}
