#include "xapid/pool/peer_calls.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/errors.gen.h"
#include "pool/codec.h"
#include "rpc/client.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/hello.h"
#include "xapid/pool/peers.h"

enum { MAX_REPLY = 64 * 1024 };

/* ---- asking ---- */

/* NULL with e, or the reply's object. Takes body (may be NULL). */
static json_t *co_ask(struct xapid *x, const char *address, const char *uuid, const char *method,
                      const char *target, json_t *body, int within_ms, struct err *e)
{
    CLEANUP_BUF struct buf reply = {0};
    struct rpc_client_options o = peers_client_options(x, address, uuid);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    unsigned status = 0;
    json_t *object = NULL;

    json_decref(body);
    o.connect_timeout_ms = o.reply_timeout_ms = within_ms;
    struct rpc_client *c = rpc_client_new(&o);
    int r = co_http_exchange(c, method, target, "content-type: application/json\r\n", text,
                             text ? strlen(text) : 0, MAX_REPLY, &status, &reply, e);
    if (r < 0 && rpc_client_distrust(c) && authority_take_superseded(x->authority)) {
        err_clear(e);
        err_host_unknown_to_master(e, x->membership.host);
    }
    rpc_client_free(c);
    free(text);
    if (r < 0)
        return NULL;
    if (peers_check_reply(x, uuid, status, &reply, e) < 0)
        return NULL;
    if (status == 200)
        object = json_loadb(reply.data, reply.len, 0, NULL);
    if (!json_is_object(object)) {
        err_internal(e, "the host at %s answers %s with status %u", address, target, status);
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *co_peer_demand(struct xapid *x, const char *address, const char *uuid, const char *target,
                       json_t *body, struct err *e)
{
    json_t *reply = co_ask(x, address, uuid, "POST", target, body, x->options.silence_ms, e);
    const char *problem = json_string_value(json_object_get(reply, "error"));

    if (!problem)
        return reply;
    err_internal(e, "the host at %s: %s", address, problem);
    json_decref(reply);
    return NULL;
}

static int co_tell(struct xapid *x, const char *address, const char *uuid, const char *target, json_t *body,
                   struct err *e)
{
    json_t *reply = co_peer_demand(x, address, uuid, target, body, e);

    json_decref(reply);
    return reply ? 0 : -1;
}

int co_peer_ask_place(struct xapid *x, const char *address, struct peer_place *ret, struct err *e)
{
    /* a daemon that starts waits for this, perhaps the one that is asked as well */
    json_t *reply = co_ask(x, address, NULL, "GET", "/peer/place", NULL, x->options.silence_ms / 4, e);
    const char *coordinator = json_string_value(json_object_get(reply, "coordinator"));
    json_int_t term = json_integer_value(json_object_get(reply, "term"));

    *ret = (struct peer_place){0};
    if (!reply)
        return -1;
    ret->member = json_is_true(json_object_get(reply, "member"));
    ret->term = term > 0 ? (uint64_t)term : 0;
    snprintf(ret->coordinator, sizeof ret->coordinator, "%s", coordinator ? coordinator : "");
    json_decref(reply);
    return 0;
}

int co_peer_ask_machine(struct xapid *x, const char *address, const char *host_uuid, void *mem,
                        struct host_machine_facts *ret, struct err *e)
{
    json_t *reply = co_ask(x, address, host_uuid, "GET", "/peer/machine", NULL, x->options.silence_ms, e);
    CLEANUP_BUF struct buf text = {0};

    if (!reply)
        return -1;
    codec_write(&text, reply);
    return machine_read(mem, text.data, text.len, ret, e);
}

int co_peer_tell_follow(struct xapid *x, const char *address, const char *host_uuid, const char *coordinator,
                        uint64_t term, struct err *e)
{
    return co_tell(x, address, host_uuid, "/peer/follow",
                   json_pack("{s:s, s:I}", "coordinator", coordinator, "term", (json_int_t)term), e);
}

int co_peer_tell_lead(struct xapid *x, const char *address, const char *host_uuid, uint64_t *ret_term,
                      struct err *e)
{
    json_t *reply = co_peer_demand(x, address, host_uuid, "/peer/lead", json_object(), e);
    json_int_t term = json_integer_value(json_object_get(reply, "term"));

    json_decref(reply);
    if (!reply)
        return -1;
    *ret_term = term > 0 ? (uint64_t)term : x->membership.term + 1;
    return 0;
}

int co_peer_tell_leave(struct xapid *x, const char *address, const char *host_uuid, struct err *e)
{
    return co_tell(x, address, host_uuid, "/peer/leave", json_object(), e);
}

/* ---- answering ---- */

static void answer(struct http_reply *reply, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    json_decref(object);
    reply->content_type = "application/json";
    buf_add_str(&reply->body, text);
    free(text);
}

void peer_answer(struct http_reply *reply, json_t *done, const struct err *e)
{
    if (err_is_set(e)) {
        json_decref(done);
        done = json_pack("{s:s}", "error", e->n_params > 0 ? e->params[e->n_params - 1] : e->code);
    }
    answer(reply, done);
}

void co_peer_place_get(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    const struct membership *m = &x->membership;

    if (!peers_is_peer(r)) {
        http_reply_error(r, reply, 403, "this is for the hosts of the pool");
        return;
    }
    answer(reply, json_pack("{s:b, s:s, s:I}", "member", m->member, "coordinator",
                            m->member ? m->coordinator : x->address, "term", (json_int_t)m->term));
}

void co_peer_machine_get(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;

    if (!peers_admit(x, r, reply))
        return;
    reply->content_type = "application/json";
    if (machine_write(x, &reply->body) < 0)
        http_reply_error(r, reply, 500, "this host's description is no UTF-8");
}

void co_peer_follow_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    CLEANUP_ERR struct err e = {0};
    const char *coordinator;
    json_int_t term;

    if (!peers_admit(x, r, reply))
        return;
    json_t *body = json_loadb(r->body, r->body_len, 0, NULL);
    if (json_unpack(body, "{s:s, s:I}", "coordinator", &coordinator, "term", &term) < 0)
        err_internal(&e, "this does not say whom to follow");
    else if (term < 0 || (uint64_t)term < x->membership.term)
        err_internal(&e, "that term is over");
    else if (x->membership.member && (uint64_t)term == x->membership.term)
        (void)change_role_note_address(x, coordinator, &e);
    else if (strcmp(x->membership.coordinator, coordinator) != 0 || (uint64_t)term != x->membership.term)
        (void)change_role_to_member(x, coordinator, (uint64_t)term, &e);
    json_decref(body);
    peer_answer(reply, json_object(), &e);
}

/* What only a member can be told. */
static int change(struct xapid *x, int (*change_role)(struct xapid *x, struct err *e), struct err *e)
{
    return x->membership.member ? change_role(x, e) : err_internal(e, "this host is the coordinator");
}

void co_peer_lead_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    CLEANUP_ERR struct err e = {0};

    if (!peers_admit(x, r, reply))
        return;
    json_int_t term = (json_int_t)membership_next_term(&x->membership);
    (void)change(x, change_role_to_coordinator, &e);
    peer_answer(reply, json_pack("{s:I}", "term", term), &e);
}

void co_peer_leave_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    CLEANUP_ERR struct err e = {0};

    if (!peers_admit(x, r, reply))
        return;
    (void)change(x, change_role_leave, &e);
    peer_answer(reply, json_object(), &e);
}
