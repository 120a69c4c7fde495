/* By which interface hosts are managed. */
#include "xapid/management.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "db/db.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/interface_rows.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/management.h"
#include "xapid/reftext.h"

enum { COME_BACK_MS = 60 * 1000 };

/* Where a host is to go. */
struct destination {
    struct ref pif, host;
    const char *host_uuid, *host_address; /* on the call's memory, as is the rest */
    const char *interface, *address;
    bool there; /* already */
};

static int check_address(const struct pif *pif, struct err *e)
{
    bool v6 = pif->primary_address_type == PRIMARY_ADDRESS_TYPE_IPV6;

    if (v6 && pif->ipv6_configuration_mode == IPV6_CONFIGURATION_MODE_NONE)
        return err_pif_has_no_v6_network_configuration(e, REF_TEXT(pif->row.ref));
    if (!v6 && pif->ip_configuration_mode == IP_CONFIGURATION_MODE_NONE)
        return err_pif_has_no_network_configuration(e, REF_TEXT(pif->row.ref));
    return 0;
}

/* The interfaces are asked for: what the rows say may be of yesterday. */
static int co_find_destination(struct call *c, struct ref ref, struct destination *ret, struct err *e)
{
    const struct pif *pif = (const struct pif *)call_row(c, CLASS_PIF, ref, e);
    struct host_machine_facts facts;

    if (!pif || check_address(pif, e) < 0)
        return -1;
    const char *device = talloc_strdup(c->mem, text_of(pif->device));
    *ret = (struct destination){.pif = ref, .host = pif->host};
    if (co_host_ask_machine(c, ret->host, &facts, e) < 0)
        return -1;
    const struct host *host = db_host(c->db, ret->host);
    pif = db_pif(c->db, ref);
    const struct net_interface *i = pif ? pif_interface(pif, &facts) : NULL;
    if (!host || !i || !*net_interface_address(i))
        return err_interface_has_no_ip(e, device);
    ret->host_uuid = talloc_strdup(c->mem, host->uuid);
    ret->host_address = talloc_strdup(c->mem, text_of(host->address));
    ret->interface = i->name;
    ret->address = net_interface_address(i);
    ret->there = pif->management && net_interface_by_address(facts.interfaces, facts.address) == i;
    return 0;
}

static bool has_come_back(struct db *db, const struct destination *d)
{
    const struct host *host = db_host(db, d->host);
    const struct host_metrics *m = host ? db_host_metrics(db, host->metrics) : NULL;
    const struct pif *pif = db_pif(db, d->pif);

    return m && m->live && pif && pif->management && strcmp(text_of(host->address), d->address) == 0;
}

/* A member, which says so itself when it is there. */
static int co_move_member(struct call *c, const struct destination *d, struct err *e)
{
    int64_t deadline = clock_in_ms(COME_BACK_MS);
    int r = 0;

    if (co_management_tell(c->x, d->host_address, d->host_uuid, d->interface, e) < 0)
        return -1;
    while (r == 0 && !has_come_back(c->db, d))
        r = co_cond_wait(db_changed(c->db), deadline, "a host at its other address");
    if (r == -ETIMEDOUT)
        return err_internal(e, "the host has not been heard at %s yet", d->address);
    return r < 0 ? err_errno(e, r, "waiting for the host at %s", d->address) : 0;
}

static int co_move(struct call *c, const struct destination *d, struct err *e)
{
    if (d->there)
        return 0;
    return ref_equal(d->host, c->x->host) ? co_management_use(c->x, d->interface, e)
                                          : co_move_member(c, d, e);
}

static int check_ha(struct call *c, struct err *e)
{
    return db_pool(c->db, c->x->pool)->ha_enabled ? err_ha_is_enabled(e) : 0;
}

int co_host_management_reconfigure(struct call *c, const struct host_management_reconfigure_args *a,
                                   struct err *e)
{
    struct destination d;

    return check_ha(c, e) < 0 || co_find_destination(c, a->pif, &d, e) < 0 ? -1 : co_move(c, &d, e);
}

int co_host_local_management_reconfigure(struct call *c,
                                         const struct host_local_management_reconfigure_args *a,
                                         struct err *e)
{
    return co_management_use(c->x, a->interface, e);
}

int co_host_management_disable(struct call *c, const struct host_management_disable_args *a, struct err *e)
{
    if (c->x->membership.member)
        return err_slave_requires_management_interface(e);
    if (db_count(c->db, CLASS_HOST) > 1)
        return err_operation_not_allowed(
            e, "The members of the pool need its coordinator's management interface");
    struct management m = {.off = true};
    if (management_write(c->x->options.state_dir, &m, e) < 0)
        return -1;
    log_info("this host is managed by its local socket only");
    change_role_restart(c->x);
    return 0;
}

/* ---- all hosts of the pool ---- */

static int find_pif(struct call *c, struct ref host, struct ref network, struct ref *ret, struct err *e)
{
    FOREACH_REFERRER (c->db, pif, pif, PIF, HOST, host)
        if (ref_equal(pif->network, network)) {
            *ret = pif->row.ref;
            return 0;
        }
    return err_pif_not_present(e, REF_TEXT(host), REF_TEXT(network));
}

/* Everything that can be known before is checked for all of them first. */
static int co_find_destinations(struct call *c, const struct set *hosts, struct ref network,
                                struct destination *ret, struct err *e)
{
    struct ref pif;

    for (uint32_t i = 0; i < set_count(hosts); i++)
        if (find_pif(c, hosts->v[i].r, network, &pif, e) < 0 || co_find_destination(c, pif, &ret[i], e) < 0)
            return -1;
    return 0;
}

/* The coordinator last. */
int co_pool_management_reconfigure(struct call *c, const struct pool_management_reconfigure_args *a,
                                   struct err *e)
{
    const struct set *hosts = NULL;

    if (check_ha(c, e) < 0 || !call_row(c, CLASS_NETWORK, a->network, e))
        return -1;
    DB_FOREACH_HOST (c->db, host)
        if (!ref_equal(host->row.ref, c->x->host))
            hosts = set_with_ref(c->mem, hosts, host->row.ref);
    hosts = set_with_ref(c->mem, hosts, c->x->host);
    uint32_t n = set_count(hosts);
    struct destination *to = talloc_zero_array(c->mem, struct destination, n);
    if (co_find_destinations(c, hosts, a->network, to, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (!ref_equal(to[i].host, c->x->host) && co_move(c, &to[i], e) < 0)
            return -1;
    for (uint32_t i = 0; i < n; i++)
        if (ref_equal(to[i].host, c->x->host))
            return co_move(c, &to[i], e);
    return 0;
}
