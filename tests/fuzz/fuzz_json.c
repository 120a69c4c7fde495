/* JSON-RPC requests. What is read must be writable as a reply that jansson reads. */
#include <jansson.h>
#include <stdlib.h>
#include <talloc.h>
#include "rpc/encode.h"
#include "rpc/request.h"
#include "tests/fuzz/fuzz.h"

static void check_written(const struct rpc_request *r)
{
    CLEANUP_BUF struct buf out = {0};
    struct enc e = {.out = &out, .format = ENC_JSON};
    enc_reply_begin(&e, r);
    enc_array_begin(&e);
    for (uint32_t i = 0; i < r->n_params; i++)
        enc_wire(&e, &r->params[i]);
    enc_array_end(&e);
    enc_reply_end(&e, r);
    json_t *j = json_loadb(out.data, out.len, 0, NULL);
    if (j == NULL)
        abort();
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *ctx = talloc_new(NULL);
    struct rpc_request r;
    const char *reason;
    if (rpc_request_parse_json(ctx, (const char *)data, size, &r, &reason) == 0)
        check_written(&r);
    talloc_free(ctx);
    return 0;
}
