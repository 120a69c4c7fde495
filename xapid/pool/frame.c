#include "xapid/pool/frame.h"
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "lib/clock.h"

enum { HEAD_SIZE = 17, STEP = 256 * 1024 };

void frame_put_head(struct buf *out, enum frame_kind kind, uint64_t generation, size_t n)
{
    uint64_t length = htole64(n), g = htole64(generation);

    buf_add_char(out, (char)kind);
    buf_add(out, &length, sizeof length);
    buf_add(out, &g, sizeof g);
}

void frame_put(struct buf *out, enum frame_kind kind, uint64_t generation, const void *body, size_t n)
{
    frame_put_head(out, kind, generation, n);
    buf_add(out, body, n);
}

static int co_read_whole(const struct frame_end *end, void *bytes, size_t n, int silence_ms)
{
    char *at = bytes;

    while (n > 0) {
        ssize_t r = end->co_read(end->stream, at, n, clock_in_ms(silence_ms));

        if (r == -ETIMEDOUT && at > (char *)bytes)
            return -ETIME;
        if (r <= 0)
            return r < 0 ? (int)r : -ECONNRESET;
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

static bool is_kind(char c)
{
    static const char kinds[] = {FRAME_HELLO,    FRAME_DURABLE, FRAME_REPORT, FRAME_REFUSED, FRAME_MODEL,
                                 FRAME_SNAPSHOT, FRAME_BATCH,   FRAME_ALIVE,  FRAME_FACTS};

    return memchr(kinds, c, sizeof kinds) != NULL;
}

/* Memory grows with what has come, not with what was announced. */
static int co_read_body(const struct frame_end *end, uint64_t n, int silence_ms, struct buf *body)
{
    int r = 0;

    while (r == 0 && body->len < n) {
        size_t left = (size_t)n - body->len, step = left < STEP ? left : STEP;

        r = co_read_whole(end, buf_reserve(body, step), step, silence_ms);
        if (r == 0)
            body->len += step;
    }
    return r;
}

int co_frame_read(const struct frame_end *end, size_t max, int silence_ms, struct frame *ret)
{
    char head[HEAD_SIZE];
    uint64_t length;
    int r = co_read_whole(end, head, sizeof head, silence_ms);

    *ret = (struct frame){0};
    if (r < 0)
        return r;
    memcpy(&length, head + 1, sizeof length);
    memcpy(&ret->generation, head + 9, sizeof ret->generation);
    length = le64toh(length);
    ret->generation = le64toh(ret->generation);
    if (!is_kind(head[0]))
        return -EPROTO;
    if (length > max)
        return -EMSGSIZE;
    ret->kind = (enum frame_kind)head[0];
    r = co_read_body(end, length, silence_ms, &ret->body);
    if (r < 0)
        buf_free(&ret->body);
    return r == -ETIMEDOUT ? -ETIME : r;
}
