/* XML-RPC requests and replies. What is read must survive being written and read again. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "rpc/encode.h"
#include "rpc/request.h"
#include "tests/fuzz/fuzz.h"

static void write_call(struct buf *out, const struct rpc_request *r)
{
    struct enc e = {.out = out, .format = ENC_XML};
    enc_call_begin(&e, "m");
    for (uint32_t i = 0; i < r->n_params; i++) {
        enc_param_begin(&e);
        enc_wire(&e, &r->params[i]);
        enc_param_end(&e);
    }
    enc_call_end(&e);
}

/* The second writing must equal the first. */
static void check_round(void *ctx, const struct rpc_request *r)
{
    CLEANUP_BUF struct buf first = {0};
    CLEANUP_BUF struct buf second = {0};
    struct rpc_request again;
    const char *reason;
    write_call(&first, r);
    if (rpc_request_parse_xml(ctx, first.data, first.len, &again, &reason) < 0)
        abort();
    write_call(&second, &again);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_ERR struct err e = {0};
    void *ctx = talloc_new(NULL);
    struct rpc_request r;
    struct wire w;
    const char *reason;
    if (rpc_request_parse_xml(ctx, (const char *)data, size, &r, &reason) == 0)
        check_round(ctx, &r);
    rpc_reply_parse_xml(ctx, (const char *)data, size, &w, &e);
    talloc_free(ctx);
    return 0;
}
