#include "xapid/pool/forward.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "rpc/client.h"
#include "rpc/http_head.h"
#include "xapid/audit/audit.h"
#include "xapid/host/elsewhere.h"
#include "xapid/pool/follow.h"
#include "xapid/pool/peers.h"
#include "xapid/server.h"
#include "xapid/session/local.h"
#include "xapid/session/session.h"

enum {
    IDLE_CLIENTS = 32,
    CATCH_UP_MS = 10 * 1000,
    CONNECT_WAIT_MS = 10 * 1000,
};
#define MAX_REPLY ((size_t)1 << 30)
#define HEADER_CALLER "xapid-caller"
#define HEADER_ROOT "xapid-local-root"
#define HEADER_GENERATION "xapid-generation"

/* ---- what is answered here ---- */

static bool is_local(const char *name)
{
    static const char *const names[] = {
        "pool.emergency_reset_master",
        "pool.emergency_transition_to_master",
        "pool.join",
        "pool.join_force",
        "session.slave_local_login",
        "session.slave_local_login_with_password",
        "session.local_logout",
        "host.emergency_disable_tls_verification",
        "host.emergency_ha_disable",
        "host.emergency_reenable_tls_verification",
        "host.emergency_reset_server_certificate",
        "host.ha_xapi_healthcheck",
        "host.is_in_emergency_mode",
        "host.local_assert_healthy",
        "host.local_management_reconfigure",
        "host.management_disable",
        "host.shutdown_agent",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* A member tells this of itself also when its coordinator has gone. */
static bool is_of_this_host(const struct request *q)
{
    const struct wire *second = q->rpc.n_params > 1 ? &q->rpc.params[1] : NULL;
    struct ref ref;

    return strcmp(q->rpc.method, "host.get_system_status_capabilities") == 0 && second &&
           second->kind == WIRE_STRING && ref_parse(second->s, &ref) && ref_equal(ref, q->call.x->host);
}

static bool reads_only(const struct model_message *m)
{
    return strcmp(m->full_name, "event.from") == 0 || (!m->handler && !m->gap && audit_is_read(m));
}

/* A session that this copy does not know (yet) may be one all the same. One at this host alone reads the
 * copy, which is what whoever mends a pool has. */
static bool knows_session(const struct request *q)
{
    const struct wire *first = q->rpc.n_params > 0 ? &q->rpc.params[0] : NULL;
    const char *text = first && first->kind == WIRE_STRING ? first->s : "";
    struct ref ref;

    if (!*text)
        return q->call.local_root;
    return ref_parse(text, &ref) && (session_exists(q->call.x->db, ref) || local_session_exists(ref));
}

bool forward_wants(struct request *q)
{
    const struct model_message *m = model_message_by_name(q->rpc.method);

    if ((m && is_local(m->full_name)) || is_of_this_host(q))
        return false;
    return !m || !reads_only(m) || !knows_session(q);
}

/* ---- calls ---- */

static struct {
    struct rpc_client *idle[IDLE_CLIENTS];
    unsigned n;
    char address[MEMBERSHIP_ADDRESS_SIZE]; /* whom they are connected to */
} kept;

static void drop_kept(void)
{
    while (kept.n > 0)
        rpc_client_free(kept.idle[--kept.n]);
}

static struct rpc_client *take_client(struct xapid *x)
{
    if (strcmp(kept.address, x->membership.coordinator) != 0)
        drop_kept();
    strcpy(kept.address, x->membership.coordinator);
    struct rpc_client_options o = peers_client_options(x, x->membership.coordinator, NULL);
    o.send_once = true; /* a call may have been carried out although nothing was heard of it */
    return kept.n > 0 ? kept.idle[--kept.n] : rpc_client_new(&o);
}

static void keep_client(struct xapid *x, struct rpc_client *c)
{
    if (kept.n < IDLE_CLIENTS && strcmp(kept.address, x->membership.coordinator) == 0)
        kept.idle[kept.n++] = c;
    else
        rpc_client_free(c);
}

static bool is_ours(const char *header)
{
    return strncmp(header, "xapid-", 6) == 0;
}

static void put_caller(const struct http_request *r, struct buf *out)
{
    buf_printf(out, HEADER_CALLER ": %s\r\n", r->peer_address);
    if (r->local_root)
        buf_add_lit(out, HEADER_ROOT ": yes\r\n");
}

/* What of the client's head matters to a call. */
static void put_call_headers(const struct http_request *r, struct buf *out)
{
    static const char *const names[] = {"content-type", "user-agent"};

    put_caller(r, out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = http_header(r, names[i]);
        if (value)
            buf_printf(out, "%s: %s\r\n", names[i], value);
    }
}

/* Until the copy has what the reply tells of; a client does not wait for ever for a copy that lags. */
static void co_catch_up(struct xapid *x, const struct http_head *head)
{
    const char *text = http_head_get(head, HEADER_GENERATION);

    if (text)
        (void)co_follow_wait(x, strtoull(text, NULL, 10), clock_in_ms(CATCH_UP_MS));
}

static void take_reply(struct http_request *r, struct http_reply *reply, const struct http_head *head)
{
    const char *type = http_head_get(head, "content-type");

    reply->status = head->status;
    reply->content_type = type ? talloc_strdup(r->mem, type) : NULL;
    if (head->status == 200)
        http_reply_allow_origin(reply);
}

static int co_await_coordinator(struct err *e)
{
    if (follow_is_cut_off())
        return follow_refusal(e);
    int r = co_follow_wait_connected(clock_in_ms(CONNECT_WAIT_MS));
    return r == 0 ? 0 : r == -ETIMEDOUT ? follow_refusal(e) : err_errno(e, r, "waiting for the coordinator");
}

/* What clients of XenServer know: only its coordinator lets them log in. */
static int check_strictness(const struct request *q, struct err *e)
{
    const struct xapid *x = q->call.x;

    if (!x->options.strict_members || q->call.local_root || strncmp(q->rpc.method, "session.", 8) != 0 ||
        strstr(q->rpc.method, "logout"))
        return 0;
    return err_host_is_slave(e, x->membership.coordinator);
}

/* Whoever asks again must know whether that could do it twice. */
static int not_answered(const struct xapid *x, bool sent, struct err *e)
{
    const char *address = x->membership.coordinator;

    if (!sent)
        return err_cannot_contact_host(e, address);
    return err_internal(e, "the coordinator at %s was lost: the call may have been carried out", address);
}

int co_forward(struct http_request *r, struct http_reply *reply, struct request *q, struct err *e)
{
    struct xapid *x = q->call.x;
    CLEANUP_BUF struct buf headers = {0};
    CLEANUP_ERR struct err lost = {0};
    struct http_head head;

    if (check_strictness(q, e) < 0 || (!follow_is_connected() && co_await_coordinator(e) < 0))
        return -1;
    put_call_headers(r, &headers);
    struct rpc_client *c = take_client(x);
    int rc = co_http_exchange_head(c, r->mem, "POST", r->raw_target, buf_cstr(&headers), r->body, r->body_len,
                                   MAX_REPLY, &head, &reply->body, &lost);
    if (rc < 0) {
        bool sent = rpc_client_had_contact(c);
        rpc_client_free(c);
        buf_reset(&reply->body);
        return not_answered(x, sent, e);
    }
    keep_client(x, c);
    take_reply(r, reply, &head);
    co_catch_up(x, &head);
    return 0;
}

/* ---- streams ---- */

static void put_head(struct xapid *x, const struct http_request *r, struct buf *out)
{
    buf_printf(out, "%s %s HTTP/1.%c\r\n", r->method, r->raw_target, r->http_1_0 ? '0' : '1');
    for (unsigned i = 0; i < r->n_headers; i++)
        if (!is_ours(r->headers[i].name))
            buf_printf(out, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
    put_caller(r, out);
    buf_printf(out, HEADER_HOST ": %s\r\n", x->membership.host);
    peer_add_headers(out, &x->peer_pool);
    buf_add_lit(out, "\r\n");
}

enum { PIECE = 16 * 1024 };

struct upward {
    struct http_stream *from;
    struct client_stream *to;
};

/* What the client sends, until it has ended. */
static void co_pump_up(void *arg)
{
    struct upward *u = arg;
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    ssize_t n;

    while ((n = co_stream_read(u->from, bytes, PIECE, CLOCK_NEVER)) > 0)
        if (co_client_stream_write(u->to, bytes, (size_t)n, CLOCK_NEVER) < 0)
            return;
    if (n == 0)
        client_stream_end_output(u->to);
}

static void co_pump_down(struct client_stream *from, struct http_stream *to)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    ssize_t n;

    while ((n = co_client_stream_read(from, bytes, PIECE, CLOCK_NEVER)) > 0)
        if (co_stream_write(to, bytes, (size_t)n, CLOCK_NEVER) < 0)
            return;
}

static void co_relay(struct http_stream *s, struct client_stream *c)
{
    struct upward up = {s, c};
    struct fiber *pump = fiber_ref(fiber_spawn("relay", co_pump_up, &up));

    co_pump_down(c, s);
    fiber_mask_cancel();
    fiber_cancel(pump);
    (void)co_fiber_join(pump, CLOCK_NEVER);
    fiber_unref(pump);
    fiber_unmask_cancel();
}

void co_forward_stream(struct http_request *r, struct http_stream *s, void *arg)
{
    struct xapid *x = arg;
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf head = {0};
    struct client_stream *to = NULL;
    struct rpc_client *c = peers_client(x, x->membership.coordinator, NULL);

    put_head(x, r, &head);
    if (co_client_stream_begin(c, head.data, head.len, &to, &e) == 0)
        co_relay(s, to);
    else
        (void)co_stream_send_error(r, s, 503, "the pool's coordinator cannot be reached", clock_in_ms(10000));
    client_stream_close(to);
    rpc_client_free(c);
}

/* ---- on the coordinator ---- */

void forward_restore(struct http_request *r, void *arg)
{
    const char *caller = http_header(r, HEADER_CALLER);

    if (!caller || !peers_is_trusted(arg, r))
        return;
    snprintf(r->peer_address, sizeof r->peer_address, "%s", caller);
    r->local_root = http_header(r, HEADER_ROOT) != NULL;
}

void forward_tell_generation(const struct http_request *r, struct http_reply *reply)
{
    if (reply->durable_gen > 0 && peers_is_peer(r))
        http_reply_add_header(reply, HEADER_GENERATION,
                              talloc_asprintf(r->mem, "%" PRIu64, reply->durable_gen));
}
