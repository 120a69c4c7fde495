/* A client's WebSocket frames: taken at once and byte by byte they say the same. */
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"
#include "xapid/console/websocket.h"

struct result {
    int rc;
    struct buf in, data, reply;
};

static void feed(struct result *r, const uint8_t *bytes, size_t n)
{
    buf_add(&r->in, bytes, n);
    r->rc = websocket_feed(&r->in, &r->data, &r->reply);
}

static void check_same(const struct buf *a, const struct buf *b)
{
    if (a->len != b->len || (a->len > 0 && memcmp(a->data, b->data, a->len) != 0))
        abort();
}

static void result_free(struct result *r)
{
    buf_free(&r->in);
    buf_free(&r->data);
    buf_free(&r->reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole = {0}, parts = {0};

    feed(&whole, data, size);
    for (size_t i = 0; i < size && parts.rc == 0; i++)
        feed(&parts, data + i, 1);
    if (whole.rc != parts.rc || whole.data.len + whole.reply.len > size)
        abort();
    check_same(&whole.data, &parts.data);
    check_same(&whole.reply, &parts.reply);
    result_free(&whole);
    result_free(&parts);
    return 0;
}
