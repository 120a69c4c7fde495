#include "sm/disk_writing.h"
#include <string.h>
#include "lib/mem.h"

int co_disk_writing_init(struct disk_writing *w, struct disk *d, struct err *e)
{
    *w = (struct disk_writing){.disk = d};
    if (co_disk_map(d, DISK_PIECE_SHIFT, &w->had, e) < 0)
        return -1;
    w->bytes[0] = mem_zalloc(DISK_PIECE);
    w->bytes[1] = mem_zalloc(DISK_PIECE);
    return 0;
}

char *disk_writing_room(struct disk_writing *w)
{
    return w->bytes[w->next];
}

static bool is_zero(const char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Would zeros change nothing there? */
static bool is_empty(const struct disk_writing *w, int64_t n, int64_t offset)
{
    for (int64_t p = offset >> DISK_PIECE_SHIFT; p <= (offset + n - 1) >> DISK_PIECE_SHIFT; p++)
        if (disk_map_has(&w->had, p))
            return false;
    return true;
}

static void note_written(struct disk_writing *w, size_t n, int64_t offset)
{
    for (int64_t p = offset >> DISK_PIECE_SHIFT; p <= (offset + (int64_t)n - 1) >> DISK_PIECE_SHIFT; p++)
        disk_map_set(&w->had, p);
}

int co_disk_writing_put(struct disk_writing *w, size_t n, int64_t offset, struct err *e)
{
    const char *bytes = w->bytes[w->next];

    if (is_zero(bytes, n))
        return n > 0 ? co_disk_writing_zero(w, (int64_t)n, offset, e) : 0;
    if (co_disk_wait(w->disk, e) < 0 || disk_start_write(w->disk, bytes, n, offset, e) < 0)
        return -1;
    note_written(w, n, offset);
    w->next ^= 1;
    return 0;
}

int co_disk_writing_put_part(struct disk_writing *w, size_t at, size_t n, int64_t offset, struct err *e)
{
    const char *bytes = w->bytes[w->next] + at;

    if (is_zero(bytes, n))
        return co_disk_writing_zero(w, (int64_t)n, offset, e);
    if (co_disk_wait(w->disk, e) < 0)
        return -1;
    note_written(w, n, offset);
    return co_disk_write(w->disk, bytes, n, offset, e);
}

int co_disk_writing_zero(struct disk_writing *w, int64_t n, int64_t offset, struct err *e)
{
    if (n <= 0 || is_empty(w, n, offset))
        return 0;
    return co_disk_wait(w->disk, e) < 0 ? -1 : co_disk_zero(w->disk, n, offset, e);
}

int co_disk_writing_end(struct disk_writing *w, struct err *e)
{
    return co_disk_wait(w->disk, e) < 0 ? -1 : co_disk_flush(w->disk, e);
}

void disk_writing_free(struct disk_writing *w)
{
    disk_map_free(&w->had);
    free(w->bytes[0]);
    free(w->bytes[1]);
}
