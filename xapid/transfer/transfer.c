#include "xapid/transfer/transfer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/audit/audit.h"
#include "xapid/http_auth.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/task/task.h"
#include "xapid/transfer/filter.h"
#include "xapid/transfer/web.h"

enum { IDLE_MS = 15 * 60 * 1000, REFUSAL_MS = 60 * 1000, ZEROS = 64 * 1024 };
/* Clients that do not know how much they will send claim a petabyte and end the connection after it. */
static const int64_t incredible_length = (int64_t)1 << 50;

/* ---- beginning and end ---- */

static int64_t body_length(const struct http_request *r)
{
    const char *text = http_header(r, "content-length");
    int64_t n = text ? strtoll(text, NULL, 10) : TRANSFER_UNKNOWN;

    return n >= incredible_length ? TRANSFER_UNKNOWN : n;
}

/* The task that the query names, or a new one. */
static int take_task(struct transfer *t, const char *label, struct err *e)
{
    const char *text = http_query(t->request, "task_id");
    struct call *c = &t->call;
    struct ref task;

    if (!text)
        text = http_header(t->request, "task-id");
    if (!text) {
        if (task_open(c, label, "", true, &task, e) < 0)
            return -1;
    } else if (!ref_parse(text, &task)) {
        const struct row *row = db_get_by_uuid(c->db, CLASS_TASK, text);
        if (!row)
            return err_handle_invalid(e, "task", text);
        task = row->ref;
    }
    if (text && task_adopt(c, task, e) < 0)
        return -1;
    c->task = task;
    c->has_task = true;
    t->worker = task_register(task);
    return 0;
}

static void co_refuse(struct transfer *t, const struct err *e)
{
    bool stranger = err_is(e, "SESSION_INVALID") || err_is(e, "SESSION_AUTHENTICATION_FAILED");
    unsigned status = stranger ? 401 : err_is(e, "RBAC_PERMISSION_DENIED") ? 403 : 500;

    (void)co_stream_send_error(t->request, t->stream, status, err_text(t->request->mem, e),
                               clock_in_ms(REFUSAL_MS));
}

bool co_transfer_begin(struct transfer *t, struct http_request *r, struct http_stream *s, struct xapid *x,
                       const char *message, const char *label)
{
    CLEANUP_ERR struct err e = {0};

    *t = (struct transfer){.request = r, .stream = s, .body_left = body_length(r), .result = ""};
    if (!message) {
        t->call = (struct call){.x = x, .db = x->db, .mem = r->mem, .address = r->peer_address};
        return true;
    }
    bool known = co_http_auth(r, x, &t->call, &e) == 0;
    if (known && http_auth_may(&t->call, message, &e) == 0 && take_task(t, label, &e) == 0)
        return true;
    if (known)
        audit_http(&t->call, r, NULL, &e);
    co_refuse(t, &e);
    http_auth_end(&t->call);
    return false;
}

void co_transfer_end(struct transfer *t, struct err *e)
{
    struct call *c = &t->call;

    if (err_is_set(e) && fiber_cancelled(fiber_self())) {
        err_clear(e);
        err_task_cancelled(e, REF_TEXT(c->task));
    }
    co_filter_close(t);
    buf_free(&t->ahead);
    if (c->has_task) {
        audit_http(c, t->request, NULL, e);
        task_complete(c->db, c->task, t->result, e);
        task_unregister(t->worker);
    }
    http_auth_end(c);
    if (err_is_set(e) && !t->answered) {
        fiber_mask_cancel();
        co_refuse(t, e);
        fiber_unmask_cancel();
    }
}

/* ---- the request ---- */

struct ref transfer_object(struct transfer *t, enum model_class_id cls, const char *key, const char *key_uuid,
                           struct err *e)
{
    const char *text = http_query(t->request, key);
    struct ref ref = REF_NULL;

    if (!text && key_uuid)
        text = http_query(t->request, key_uuid);
    if (!text)
        return REF_NULL;
    if (ref_parse(text, &ref))
        return call_row(&t->call, cls, ref, e) ? ref : REF_NULL;
    const struct row *row = db_get_by_uuid(t->call.db, cls, text);
    if (!row)
        err_uuid_invalid(e, model_classes[cls].name, text);
    return row ? row->ref : REF_NULL;
}

bool transfer_flag(const struct transfer *t, const char *key)
{
    const char *text = http_query(t->request, key);

    return text && (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

bool transfer_is_probe(const struct transfer *t)
{
    return t->body_left == 0 && !http_query(t->request, "task_id");
}

/* ---- the reply ---- */

int co_transfer_answer(struct transfer *t, const char *type, int64_t length, const char *file_name,
                       struct err *e)
{
    void *mem = t->request->mem;
    struct http_reply reply = {.content_type = type};

    if (t->call.has_task)
        http_reply_add_header(&reply, "task-id", talloc_strdup(mem, REF_TEXT(t->call.task)));
    if (file_name)
        http_reply_add_header(&reply, "content-disposition",
                              talloc_asprintf(mem, "attachment; filename=\"%s\"", file_name));
    t->answered = true;
    int rc = co_stream_send_head(t->stream, &reply, length, clock_in_ms(IDLE_MS));
    return rc < 0 ? err_set(e, "VDI_IO_ERROR", 1, "The client has gone away") : 0;
}

int co_transfer_write(struct transfer *t, const void *bytes, size_t n, struct err *e)
{
    return t->filter ? co_filter_write(t->filter, bytes, n, e) : co_transfer_write_plain(t, bytes, n, e);
}

int co_transfer_write_plain(struct transfer *t, const void *bytes, size_t n, struct err *e)
{
    int rc = co_stream_write(t->stream, bytes, n, clock_in_ms(IDLE_MS));

    return rc < 0 ? err_set(e, "VDI_IO_ERROR", 1, "The client has gone away") : 0;
}

int co_transfer_write_zeros(struct transfer *t, int64_t n, struct err *e)
{
    static const char zeros[ZEROS];

    for (; n > 0; n -= ZEROS)
        if (co_transfer_write(t, zeros, n < ZEROS ? (size_t)n : ZEROS, e) < 0)
            return -1;
    return 0;
}

/* Some bytes of the body, at least one; 0 at its end. */
static ssize_t co_read_some(struct transfer *t, void *bytes, size_t n, struct err *e)
{
    size_t want = t->body_left < (int64_t)n ? (size_t)t->body_left : n;

    if (t->ahead.len > 0) {
        want = t->ahead.len < n ? t->ahead.len : n;
        memcpy(bytes, t->ahead.data, want);
        buf_consume(&t->ahead, want);
        return (ssize_t)want;
    }
    if (want == 0)
        return 0;
    ssize_t r = t->web ? co_web_read(t->web, bytes, want)
                       : co_stream_read(t->stream, bytes, want, clock_in_ms(IDLE_MS));
    bool ended = r == 0 || r == -ECONNRESET || r == -EPIPE || r == -EPROTO;
    if (ended && t->body_left == TRANSFER_UNKNOWN)
        return 0;
    if (r <= 0 && t->web)
        return err_import_error(e, r == -ETIMEDOUT ? "The server is silent"
                                                   : "The server ended before all had come");
    if (r <= 0)
        return err_set(e, "VDI_IO_ERROR", 1, "The upload ended before all had come");
    if (t->body_left != TRANSFER_UNKNOWN)
        t->body_left -= r;
    return r;
}

static ssize_t co_read_all(struct transfer *t, void *bytes, size_t n, struct err *e)
{
    size_t have = 0;

    while (have < n) {
        ssize_t r = t->filter ? co_filter_read(t->filter, (char *)bytes + have, n - have, e)
                              : co_read_some(t, (char *)bytes + have, n - have, e);
        if (r < 0)
            return -1;
        if (r == 0)
            break;
        have += (size_t)r;
    }
    return (ssize_t)have;
}

ssize_t co_transfer_read(struct transfer *t, void *bytes, size_t n, struct err *e)
{
    return co_read_all(t, bytes, n, e);
}

/* Not all of n at once: who passes bytes on has no reason to keep them waiting. */
ssize_t co_transfer_read_plain(struct transfer *t, void *bytes, size_t n, struct err *e)
{
    return co_read_some(t, bytes, n, e);
}

ssize_t co_transfer_peek(struct transfer *t, size_t n, struct err *e)
{
    ssize_t r = co_read_all(t, buf_reserve(&t->ahead, n), n, e);

    t->ahead.len = r > 0 ? (size_t)r : 0;
    return r;
}

void transfer_result(struct transfer *t, struct ref ref)
{
    t->result = talloc_asprintf(t->request->mem, "<value>%s</value>", REF_TEXT(ref));
}
