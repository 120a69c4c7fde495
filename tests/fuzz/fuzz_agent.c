/* What another host asks of an agent, or answers. The first byte says which operation, and which of the two.
 * What is taken must come out the same when it goes there and back once more. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "pool/operations.h"
#include "tests/fuzz/fuzz.h"

static const struct codec_type *choose(uint8_t byte)
{
    static const struct codec_type *const others[] = {&codec_hv_report, &codec_agent_host_facts,
                                                      &codec_agent_guest};
    const struct agent_operation *op = &agent_operations[byte % AGENT_OPERATIONS];
    const struct codec_type *result =
        op->result ? op->result : others[byte % (sizeof others / sizeof *others)];

    return byte & 0x80 ? result : op->args;
}

static void *decode(const struct codec_type *t, const char *text, size_t n, void *ctx)
{
    CLEANUP_ERR struct err e = {0};
    void *value = talloc_zero_size(ctx, t->size);
    json_t *j = codec_parse(text, n, &e);
    int rc = j ? codec_decode(t, j, ctx, value, &e) : -1;

    if ((rc < 0) != err_is_set(&e))
        abort();
    json_decref(j);
    return rc < 0 ? NULL : value;
}

static void encode(const struct codec_type *t, const void *value, struct buf *out)
{
    json_t *j = codec_encode(t, value);

    if (!j)
        abort();
    codec_write(out, j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    CLEANUP_BUF struct buf first = {0};
    CLEANUP_BUF struct buf second = {0};
    const struct codec_type *t = size > 0 ? choose(data[0]) : NULL;
    void *value = t ? decode(t, (const char *)data + 1, size - 1, ctx) : NULL;

    if (!value)
        return 0;
    encode(t, value, &first);
    value = decode(t, first.data, first.len, ctx);
    if (!value)
        abort();
    encode(t, value, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
    return 0;
}
