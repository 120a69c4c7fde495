#include "xapid/pool/peers.h"
#include <inttypes.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/clock.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/follow.h"
#include "xapid/pool/host_certificates.h"

/* ---- a newer term ---- */

/* A coordinator that is none any more looks for the one there is. */
static void co_step_down(void *arg)
{
    struct xapid *x = arg;

    co_change_role_step_down(x);
    x->stepping_down = false;
}

/* A member takes note: whom it follows has been in office again, or will say who is. */
static bool take_term(struct xapid *x, int64_t term)
{
    CLEANUP_ERR struct err e = {0};
    struct membership m = x->membership;

    m.term = (uint64_t)term;
    if (change_role_note(x, &m, &e) < 0) {
        log_error("%s", e.n_params > 0 ? e.params[0] : e.code);
        return false;
    }
    follow_again();
    return true;
}

static bool on_newer(struct peer_pool *p, int64_t term, const char *host_uuid)
{
    struct xapid *x = p->arg;

    log_info("host %s is in term %" PRId64 ", this one in %" PRId64, host_uuid, term, p->term);
    if (x->membership.member)
        return take_term(x, term);
    if (!x->stepping_down)
        fiber_spawn("step down", co_step_down, x);
    x->stepping_down = true;
    return false;
}

/* ---- for others ---- */

int peers_open(struct xapid *x, struct err *e)
{
    const struct membership *m = &x->membership;

    if (!x->authority && authority_open(x->options.state_dir, m->pool, m->host, &x->authority, e) < 0)
        return -1;
    x->peer_pool = (struct peer_pool){.term = (int64_t)m->term, .newer = on_newer, .arg = x};
    memcpy(x->peer_pool.uuid, m->pool, sizeof x->peer_pool.uuid);
    host_certificates_open(x);
    peer_serve(x->tls, x->authority);
    agent_set_peers(x->agent, x->authority, &x->peer_pool);
    return 0;
}

/* All hosts of a pool listen on the same port. */
struct rpc_client_options peers_client_options(struct xapid *x, const char *address, const char *host_uuid)
{
    uint16_t port = x->port ? x->port : (uint16_t)x->options.port; /* before it listens */

    return peer_client_options(x->authority, &x->peer_pool, address, port, host_uuid);
}

struct rpc_client *peers_client(struct xapid *x, const char *address, const char *host_uuid)
{
    struct rpc_client_options o = peers_client_options(x, address, host_uuid);

    return rpc_client_new(&o);
}

/* Certificates outlive membership. A member that has no copy of the database yet believes them. */
static bool is_known(struct xapid *x, const char *uuid)
{
    return (x->membership.member && !follow_has_copy()) || db_get_by_uuid(x->db, CLASS_HOST, uuid);
}

bool peers_is_peer(const struct http_request *r)
{
    return peer_identify(r) != NULL;
}

bool peers_is_trusted(struct xapid *x, const struct http_request *r)
{
    const char *uuid = peer_identify(r), *term = http_header(r, "xapid-term");

    return uuid && is_known(x, uuid) && term && strtoll(term, NULL, 10) == x->peer_pool.term;
}

const char *peers_admit(struct xapid *x, struct http_request *r, struct http_reply *reply)
{
    const char *uuid = peer_check(&x->peer_pool, r, reply);

    if (!uuid || is_known(x, uuid))
        return uuid;
    http_reply_error(r, reply, 403, "this host is not in the pool any more");
    return NULL;
}

const char *co_peers_admit_stream(struct xapid *x, struct http_request *r, struct http_stream *s)
{
    return co_peer_check_stream(&x->peer_pool, r, s);
}

int peers_check_reply(struct xapid *x, const char *host_uuid, unsigned status, struct buf *body,
                      struct err *e)
{
    return peer_check_reply(&x->peer_pool, host_uuid, status, body, e);
}
