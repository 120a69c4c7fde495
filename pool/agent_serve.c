#include "pool/agent_serve.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "pool/remote.h"

enum { HEAD_MS = 10 * 1000 };

/* ---- operations ---- */

static void answer(struct http_reply *reply, const struct agent_operation *op, const void *result,
                   struct err *e)
{
    json_t *object = json_object(), *encoded = op->result ? codec_encode(op->result, result) : NULL;

    if (op->result && !encoded)
        err_internal(e, "the result of %s is no UTF-8", op->name);
    if (err_is_set(e))
        json_object_set_new(object, "error", codec_encode_error(e));
    if (encoded)
        json_object_set_new(object, "result", encoded);
    reply->content_type = "application/json";
    codec_write(&reply->body, object);
}

/* Whole percents only: there is room for those. */
struct teller {
    struct http_request *request;
    int told;
};

static void tell(double done, void *arg)
{
    struct teller *t = arg;
    int percent = done > 0 ? done < 1 ? (int)(done * 100) : 100 : 0;
    char text[16];

    if (percent <= t->told)
        return;
    t->told = percent;
    snprintf(text, sizeof text, "%d", percent);
    http_send_interim(t->request, AGENT_PROGRESS, text);
}

static void *decode_args(const struct agent_operation *op, const struct http_request *r, struct err *e)
{
    void *args = talloc_zero_size(r->mem, op->args->size);
    json_t *j = codec_parse(r->body, r->body_len, e);
    int rc = j ? codec_decode(op->args, j, args, args, e) : -1;

    json_decref(j);
    return rc < 0 ? NULL : args;
}

static void co_perform(struct agent *a, const struct agent_operation *op, struct http_request *r,
                       struct http_reply *reply)
{
    CLEANUP_ERR struct err e = {0};
    struct teller teller = {.request = r};
    struct agent_call call = {.args = decode_args(op, r, &e),
                              .result = op->result ? talloc_zero_size(r->mem, op->result->size) : NULL,
                              .ctx = r->mem,
                              .progress = tell,
                              .progress_arg = &teller};

    if (call.args && op->co_run(a, &call, &e) < 0)
        err_internal(&e, "%s failed without a reason", op->name);
    answer(reply, op, call.result, &e);
}

void co_agent_serve(struct agent *a, struct http_request *r, struct http_reply *reply)
{
    size_t prefix = strlen(AGENT_PREFIX);
    const struct agent_operation *op =
        strlen(r->path) > prefix ? agent_operation_by_name(r->path + prefix) : NULL;

    r->ends_with_peer = true;
    if (op)
        co_perform(a, op, r, reply);
    else
        http_reply_error(r, reply, 404, "An agent has no such operation.");
}

/* ---- consoles ---- */

void co_agent_serve_console(struct agent *a, struct http_request *r, struct http_stream *s)
{
    const char *uuid = http_query(r, "uuid"), *kind = http_query(r, "kind");
    struct http_reply head = {0};
    CLEANUP_FD int fd = uuid && uuid_is_valid(uuid) && kind ? co_agent_vm_console(a, uuid, kind) : -1;

    if (fd < 0)
        co_stream_send_error(r, s, 404, "There is no such console.", clock_in_ms(HEAD_MS));
    else if (co_stream_send_head(s, &head, -1, clock_in_ms(HEAD_MS)) == 0)
        (void)co_stream_splice(s, fd, 0);
}
