#include "xapid/vm/crossing_talk.h"
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "lib/clock.h"
#include "pool/codec.h"

enum { MAX_TALK = 48 << 20, STEP = 256 * 1024, WRITE_MS = 60 * 1000 };

static int broken(struct talk *t, int r, struct err *e)
{
    t->broken = true;
    return err_errno(e, r < 0 ? r : -ECONNRESET, "the other pool");
}

static int co_read_whole(struct talk *t, void *bytes, size_t n, int64_t deadline, struct err *e)
{
    for (size_t done = 0; done < n;) {
        char *at = (char *)bytes + done;
        ssize_t r = t->asking ? co_client_stream_read(t->asking, at, n - done, deadline)
                              : co_stream_read(t->answering, at, n - done, deadline);
        if (r <= 0)
            return broken(t, (int)r, e);
        done += (size_t)r;
    }
    return 0;
}

/* Memory grows with what has come, not with what was announced. */
static int co_read_body(struct talk *t, size_t n, int64_t deadline, struct buf *body, struct err *e)
{
    while (body->len < n) {
        size_t step = n - body->len < STEP ? n - body->len : STEP;
        if (co_read_whole(t, buf_reserve(body, step), step, deadline, e) < 0)
            return -1;
        body->len += step;
    }
    return 0;
}

json_t *co_talk_hear(struct talk *t, int64_t deadline, struct err *e)
{
    CLEANUP_BUF struct buf body = {0};
    uint32_t n;

    if (co_read_whole(t, &n, sizeof n, deadline, e) < 0)
        return NULL;
    n = le32toh(n);
    if (n > MAX_TALK)
        broken(t, -EMSGSIZE, e);
    else if (co_read_body(t, n, deadline, &body, e) == 0) {
        json_t *j = codec_parse(body.data, body.len, e);
        t->broken = !j;
        return j;
    }
    return NULL;
}

int co_talk_say(struct talk *t, json_t *j, struct err *e)
{
    CLEANUP_BUF struct buf out = {0};
    int64_t deadline = clock_in_ms(WRITE_MS);
    uint32_t n = 0;

    buf_add(&out, &n, sizeof n);
    codec_write(&out, j);
    n = htole32((uint32_t)(out.len - sizeof n));
    memcpy(out.data, &n, sizeof n);
    int r = t->asking ? co_client_stream_write(t->asking, out.data, out.len, deadline)
                      : co_stream_write(t->answering, out.data, out.len, deadline);
    return r < 0 ? broken(t, r, e) : 0;
}

json_t *co_talk_ask(struct talk *t, json_t *question, int64_t deadline, struct err *e)
{
    json_t *answer = co_talk_say(t, question, e) < 0 ? NULL : co_talk_hear(t, deadline, e);
    json_t *result = json_incref(json_object_get(answer, "result"));

    if (answer && !result)
        codec_decode_error(json_object_get(answer, "error"), e);
    json_decref(answer);
    return result;
}
