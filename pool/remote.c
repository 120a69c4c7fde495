#include "pool/remote.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "pool/peer.h"
#include "rpc/http_head.h"

enum {
    MAX_CALLS = 16, /* at a time; more wait for one of them to end */
    MAX_REPLY = 32 * 1024 * 1024,
    CANCELLED_REPLY_MS = 60 * 1000,
    DEAD_AFTER_MS = 20 * 1000
};

struct remote {
    struct agent_remote_options o;
    struct rpc_client *idle[MAX_CALLS];
    unsigned n_idle, n_busy;
    struct fiber_cond freed;
};

/* ---- life ---- */

struct agent *agent_remote_new(const struct agent_remote_options *o)
{
    struct agent *a = talloc_zero(NULL, struct agent);
    struct remote *r = talloc_zero(a, struct remote);

    r->o = *o;
    r->o.address = talloc_strdup(r, o->address);
    r->o.host_uuid = talloc_strdup(r, o->host_uuid);
    r->o.host_ref = talloc_strdup(r, o->host_ref);
    fiber_cond_init(&r->freed);
    a->remote = r;
    return a;
}

const char *remote_host(const struct remote *r)
{
    return r->o.host_ref;
}

void remote_free(struct remote *r)
{
    while (r->n_idle > 0)
        rpc_client_free(r->idle[--r->n_idle]);
}

/* Streams carry what a slow disk may hold up: they have the usual limit. */
static struct rpc_client *new_client(struct remote *r, int dead_after_ms)
{
    struct rpc_client_options o =
        peer_client_options(r->o.authority, r->o.pool, r->o.address, r->o.port, r->o.host_uuid);

    o.dead_after_ms = dead_after_ms;
    o.send_once = true;
    o.cancelled_reply_ms = CANCELLED_REPLY_MS;
    return rpc_client_new(&o);
}

/* A client for one call; NULL when the fiber was cancelled before its turn. */
static struct rpc_client *co_take(struct remote *r)
{
    while (r->n_busy == MAX_CALLS)
        if (co_cond_wait(&r->freed, CLOCK_NEVER, "one of %u calls to host %s to end", MAX_CALLS,
                         r->o.host_uuid) < 0)
            return NULL;
    r->n_busy++;
    return r->n_idle > 0 ? r->idle[--r->n_idle] : new_client(r, DEAD_AFTER_MS);
}

static void give_back(struct remote *r, struct rpc_client *c)
{
    rpc_client_set_interim(c, NULL, NULL);
    r->n_busy--;
    r->idle[r->n_idle++] = c;
    fiber_cond_signal(&r->freed);
}

/* ---- answers ---- */

/* An operation that failed may have a result all the same; one that succeeded has to, if it is to have any.
 */
static int read_answer(const struct agent_operation *op, const json_t *answer, const struct agent_call *call,
                       struct err *e)
{
    const json_t *error = json_object_get(answer, "error"), *found = json_object_get(answer, "result");

    if (error) {
        CLEANUP_ERR struct err ignored = {0};
        if (op->result && found && codec_decode(op->result, found, call->ctx, call->result, &ignored) < 0)
            memset(call->result, 0, op->result->size);
        return codec_decode_error(error, e);
    }
    return op->result ? codec_decode(op->result, found, call->ctx, call->result, e) : 0;
}

/* What cannot be read leaves the outcome as unknown as no answer. */
static int read_reply(struct remote *r, const struct agent_operation *op, struct buf *body,
                      const struct agent_call *call, struct err *e)
{
    CLEANUP_ERR struct err fault = {0};
    json_t *answer = codec_parse(body->data, body->len, &fault);
    int rc = answer ? read_answer(op, answer, call, e) : err_cannot_contact_host(e, r->o.host_ref);

    if (!answer)
        log_warning("host %s answers %s with %s", r->o.host_uuid, op->name, fault.params[0]);
    json_decref(answer);
    return rc;
}

/* ---- calls ---- */

static void on_interim(const struct http_head *h, void *arg)
{
    const struct agent_call *call = arg;
    const char *text = http_head_get(h, AGENT_PROGRESS);
    int percent = text ? atoi(text) : -1;

    if (percent >= 0 && percent <= 100)
        call->progress(percent / 100.0, call->progress_arg);
}

/* No reply: was the host reached at all? */
static int explain(struct remote *r, const struct rpc_client *c, const struct agent_operation *op,
                   const struct err *failure, struct err *e)
{
    log_warning("%s on host %s: %s", op->name, r->o.host_uuid,
                failure->n_params > 0 ? failure->params[0] : failure->code);
    return rpc_client_had_contact(c) ? err_cannot_contact_host(e, r->o.host_ref)
                                     : err_host_offline(e, r->o.host_ref);
}

static int co_exchange(struct remote *r, struct rpc_client *c, const struct agent_operation *op,
                       const struct buf *question, struct buf *answer, struct err *e)
{
    CLEANUP_ERR struct err failure = {0};
    char target[64];
    unsigned status;

    snprintf(target, sizeof target, AGENT_PREFIX "%s", op->name);
    if (co_http_exchange(c, "POST", target, "content-type: application/json\r\n", question->data,
                         question->len, MAX_REPLY, &status, answer, &failure) < 0)
        return explain(r, c, op, &failure, e);
    if (peer_check_reply(r->o.pool, r->o.host_uuid, status, answer, &failure) == 0 && status == 200)
        return 0;
    if (status == 404)
        return err_not_implemented(e, op->name);
    log_warning("%s on host %s: status %u %s", op->name, r->o.host_uuid, status,
                err_is_set(&failure) ? failure.params[0] : "");
    return err_host_offline(e, r->o.host_ref);
}

int co_remote_do(struct remote *r, const struct agent_operation *op, const struct agent_call *call,
                 struct err *e)
{
    CLEANUP_BUF struct buf question = {0};
    CLEANUP_BUF struct buf answer = {0};
    json_t *j = codec_encode(op->args, call->args);

    if (!j)
        return err_internal(e, "the arguments of %s are no UTF-8", op->name);
    codec_write(&question, j);
    struct rpc_client *c = co_take(r);
    if (!c)
        return err_errno(e, -ECANCELED, "%s on host %s", op->name, r->o.host_uuid);
    rpc_client_set_interim(c, call->progress ? on_interim : NULL, (void *)(uintptr_t)call);
    int rc = co_exchange(r, c, op, &question, &answer, e);
    give_back(r, c);
    return rc < 0 ? -1 : read_reply(r, op, &answer, call, e);
}

/* ---- consoles ---- */

int co_remote_stream(struct remote *r, const char *target, const char *headers, struct client_stream **ret)
{
    CLEANUP_ERR struct err e = {0};
    unsigned status;
    struct rpc_client *c = new_client(r, 0);
    int rc = co_client_stream_open(c, "CONNECT", target, headers, ret, &status, &e);

    rpc_client_free(c);
    if (rc < 0)
        return -EHOSTUNREACH;
    if (status == 200)
        return 0;
    client_stream_close(*ret);
    return status == 404 ? -ENOENT : -EPROTO;
}

static int co_open_console(struct remote *r, const char *vm_uuid, const char *kind,
                           struct client_stream **ret)
{
    char target[128];

    snprintf(target, sizeof target, AGENT_CONSOLE "?uuid=%s&kind=%s", vm_uuid, kind);
    return co_remote_stream(r, target, NULL, ret);
}

struct pump {
    struct client_stream *stream;
    int fd;
};

static void co_pump(void *arg)
{
    struct pump *p = arg;

    (void)co_client_stream_splice(p->stream, p->fd, 0);
    client_stream_close(p->stream);
    close(p->fd);
    free(p);
}

int co_remote_console(struct remote *r, const char *vm_uuid, const char *kind)
{
    struct client_stream *s;
    int pair[2], rc = co_open_console(r, vm_uuid, kind, &s);

    if (rc < 0)
        return rc;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = -errno;
        client_stream_close(s);
        return rc;
    }
    struct pump *p = mem_zalloc(sizeof *p);
    *p = (struct pump){s, pair[1]};
    fiber_spawn("console of another host", co_pump, p);
    return pair[0];
}
