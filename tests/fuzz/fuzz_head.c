/* Heads of HTTP requests and replies, targets and cookies. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "rpc/http_head.h"
#include "tests/fuzz/fuzz.h"

/* The end must be found at the same place when the bytes come one by one. */
static void check_find(const char *bytes, size_t n, size_t length)
{
    size_t scanned = 0, found = 0;
    for (size_t i = 0; i <= n && found == 0; i++)
        found = http_head_find(bytes, i, &scanned);
    if (found != length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    size_t scanned = 0, length = http_head_find(bytes, size, &scanned);
    struct http_head h;
    if (length > size)
        abort();
    check_find(bytes, size, length);
    if (length == 0)
        return 0;
    void *ctx = talloc_new(NULL);
    http_head_parse_reply(ctx, bytes, length, &h);
    if (http_head_parse_request(ctx, bytes, length, &h) == 0) {
        struct http_request r = {.mem = ctx, .n_headers = h.n_headers, .headers = h.headers};
        http_target_parse(ctx, h.target, &r);
        http_cookie(&r, "session_id");
    }
    talloc_free(ctx);
    return 0;
}
