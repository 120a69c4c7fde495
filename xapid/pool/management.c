#include "xapid/pool/management.h"
#include <jansson.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "xapid/management.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peer_calls.h"
#include "xapid/pool/peers.h"
#include "xapid/reftext.h"
#include "xapid/sockets.h"

static void co_tell_member(struct xapid *x, const char *address, const char *uuid)
{
    CLEANUP_ERR struct err e = {0};

    if (fault_point(FAULT_NETWORK, "tell a member") < 0)
        err_internal(&e, "the member at %s was not told", address);
    else
        (void)co_peer_tell_follow(x, address, uuid, x->address, x->membership.term, &e);
    if (err_is_set(&e))
        log_warning("%s", e.n_params > 0 ? e.params[0] : e.code);
}

/* Before the old address goes; who is not there now is told later. */
static void co_tell_members(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *members = NULL;

    DB_FOREACH_HOST (x->db, host)
        if (leader_hears(host->row.ref))
            members = set_with_ref(mem, members, host->row.ref);
    for (uint32_t i = 0; i < set_count(members); i++) {
        const struct host *host = db_host(x->db, members->v[i].r);
        if (host)
            co_tell_member(x, talloc_strdup(mem, text_of(host->address)), talloc_strdup(mem, host->uuid));
    }
}

int co_management_use(struct xapid *x, const char *interface, struct err *e)
{
    struct management m;

    if (management_choose(interface, &m, e) < 0 || sockets_move(x, m.address, e) < 0 ||
        management_write(x->options.state_dir, &m, e) < 0)
        return -1;
    log_info("this host is managed by %s, at %s", m.interface, m.address);
    x->management = m;
    memcpy(x->address, m.address, sizeof x->address);
    x->restarting = true;
    if (!x->membership.member)
        co_tell_members(x);
    change_role_restart(x);
    return 0;
}

int co_management_tell(struct xapid *x, const char *address, const char *host_uuid, const char *interface,
                       struct err *e)
{
    json_t *reply =
        co_peer_demand(x, address, host_uuid, "/peer/manage", json_pack("{s:s}", "interface", interface), e);

    json_decref(reply);
    return reply ? 0 : -1;
}

void co_peer_manage_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    CLEANUP_ERR struct err e = {0};
    const char *interface;

    if (!peers_admit(x, r, reply))
        return;
    json_t *body = json_loadb(r->body, r->body_len, 0, NULL);
    if (json_unpack(body, "{s:s}", "interface", &interface) < 0)
        err_internal(&e, "this names no interface");
    else if (!x->membership.member)
        err_internal(&e, "this host is the coordinator");
    else
        (void)co_management_use(x, interface, &e);
    json_decref(body);
    peer_answer(reply, json_object(), &e);
}
