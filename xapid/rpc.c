#include "xapid/rpc.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/host/user_agents.h"
#include "xapid/list_methods.h"
#include "xapid/pool/at_host.h"
#include "xapid/pool/forward.h"
#include "xapid/request.h"
#include "xapid/server.h"
#include "xapid/task/task.h"

/* An encoder into the reply, whose header is written on first use. */
static struct enc encoder(struct http_reply *reply, const struct request *q)
{
    bool xml = q->rpc.protocol == RPC_XML;
    if (!reply->content_type) {
        reply->content_type = xml ? "text/xml" : "application/json";
        http_reply_allow_origin(reply);
    }
    return (struct enc){.out = &reply->body, .format = xml ? ENC_XML : ENC_JSON};
}

static void answer_failure(struct http_reply *reply, const struct request *q, const struct err *e)
{
    buf_reset(&reply->body);
    struct enc enc = encoder(reply, q);
    enc_reply_failure(&enc, &q->rpc, e);
}

/* End a reply that enc_reply_begin has begun and a run has filled. */
static void answer_end(struct http_reply *reply, struct request *q, struct enc *enc, const struct err *e)
{
    if (err_is_set(e))
        answer_failure(reply, q, e);
    else
        enc_reply_end(enc, &q->rpc);
    reply->durable_gen = db_generation(q->call.db);
}

/* Run a request that does not wait into the reply. */
static void answer(struct http_request *r, struct http_reply *reply, struct request *q)
{
    r->handler_data = q;
    CLEANUP_ERR struct err e = {0};
    struct enc enc = encoder(reply, q);
    enc_reply_begin(&enc, &q->rpc);
    (void)request_run_now(q, &enc, &e);
    answer_end(reply, q, &enc, &e);
}

static void co_answer(struct http_reply *reply, struct request *q)
{
    CLEANUP_ERR struct err e = {0};
    struct enc enc = encoder(reply, q);
    enc_reply_begin(&enc, &q->rpc);
    if (co_request_run(q, &enc, &e) < 0)
        err_internal(&e, "the call failed without saying why");
    answer_end(reply, q, &enc, &e);
}

static void answer_ref(struct http_reply *reply, struct request *q, struct ref ref)
{
    struct enc enc = encoder(reply, q);
    enc_reply_begin(&enc, &q->rpc);
    enc_ref(&enc, ref);
    enc_reply_end(&enc, &q->rpc);
}

/* The request's memory moves to the task; the reply needs only its envelope. */
static void answer_async(struct http_reply *reply, struct request *q)
{
    CLEANUP_ERR struct err e = {0};
    struct request envelope = {.rpc = q->rpc};
    struct ref task;
    if (task_start_async(q, &task, &e) < 0)
        answer_failure(reply, q, &e);
    else
        answer_ref(reply, &envelope, task);
}

static void answer_list_methods(struct http_reply *reply, struct request *q)
{
    struct enc enc = encoder(reply, q);
    list_methods(&enc, &q->rpc);
}

/* The call that this thread answers without a fiber, for the log. */
static _Thread_local const struct call *at_once;

static bool answer_or_keep(struct http_request *r, struct http_reply *reply, struct request *q)
{
    CLEANUP_ERR struct err e = {0};
    bool from_coordinator = at_host_is_asked(q->call.x, r);
    if (from_coordinator)
        q->call.local_root = true;
    else if (q->call.x->membership.member && forward_wants(q)) {
        q->forwarded = true;
        r->handler_data = q;
        return false;
    }
    if (strcmp(q->rpc.method, "system.listMethods") == 0) {
        answer_list_methods(reply, q);
        return true;
    }
    if (request_check(q, &e) < 0) {
        answer_failure(reply, q, &e);
        return true;
    }
    if (q->async) {
        answer_async(reply, q);
        return true;
    }
    if (request_may_wait(q)) {
        r->handler_data = q;
        return false;
    }
    answer(r, reply, q);
    return true;
}

/* Answer what needs no waiting; else keep the request for co_rpc and leave the reply alone. */
static bool answer_now(struct http_request *r, struct http_reply *reply, struct request *q)
{
    at_once = &q->call;
    bool answered = answer_or_keep(r, reply, q);
    at_once = NULL;
    if (answered)
        forward_tell_generation(r, reply);
    return answered;
}

static struct request *request_new(struct http_request *r, struct xapid *x)
{
    struct request *q = talloc_zero(r->mem, struct request);
    q->call = (struct call){.x = x, .db = x->db, .mem = q, .local_root = r->local_root};
    q->call.address = talloc_strdup(q, r->peer_address);
    q->started = clock_now();
    user_agent_note(http_header(r, "user-agent"));
    return q;
}

bool rpc_xml_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct request *q = request_new(r, arg);
    const char *reason = NULL;
    if (rpc_request_parse_xml(q, r->body, r->body_len, &q->rpc, &reason) == 0)
        return answer_now(r, reply, q);
    http_reply_error(r, reply, 500, reason);
    return true;
}

bool rpc_json_now(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct request *q = request_new(r, arg);
    const char *reason = NULL;
    if (rpc_request_parse_json(q, r->body, r->body_len, &q->rpc, &reason) == 0)
        return answer_now(r, reply, q);
    http_reply_error(r, reply, 500, reason);
    return true;
}

static void co_rpc_forward(struct http_request *r, struct http_reply *reply, struct request *q)
{
    CLEANUP_ERR struct err e = {0};
    if (co_forward(r, reply, q, &e) < 0)
        answer_failure(reply, q, &e);
}

void co_rpc(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct request *q = r->handler_data;
    if (q->forwarded) {
        co_rpc_forward(r, reply, q);
        return;
    }
    q->call.task = ref_new();
    r->ends_with_peer = q->call.message->cls == CLASS_EVENT; /* nobody is left to tell */
    fiber_set_context(fiber_self(), &q->call);
    co_answer(reply, q);
    forward_tell_generation(r, reply);
    fiber_set_context(fiber_self(), NULL);
}

void rpc_withheld(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    if (db_check_writable(((struct xapid *)arg)->db, &e) == 0)
        err_internal(&e, "the result could not be made durable");
    answer_failure(reply, r->handler_data, &e);
}

/* ---- the log ---- */

/* A task's uuid; of a call without a task its name in current_operations. NULL when it has none yet. */
static const char *task_text(const struct call *c)
{
    static char text[REF_TEXT_SIZE];
    const struct task *task = c->has_task ? db_task(c->db, c->task) : NULL;
    if (task)
        return task->uuid;
    ref_format(c->task, text);
    return ref_is_null(c->task) ? NULL : text + strlen("OpaqueRef:");
}

/* The beginning of the session's uuid, which is no secret as its reference is. */
static const char *session_text(const struct call *c)
{
    static char text[9];
    const struct session *session = db_session(c->db, c->session);
    snprintf(text, sizeof text, "%s", session ? session->uuid : "");
    return session ? text : NULL;
}

static void find_origin(struct log_origin *ret)
{
    const struct call *c = fiber_self() ? fiber_context(fiber_self()) : at_once;
    if (!c || !c->message)
        return;
    ret->method = c->message->full_name;
    ret->task = task_text(c);
    ret->session = session_text(c);
}

void rpc_init_log(void)
{
    log_set_origin_source(find_origin);
}
