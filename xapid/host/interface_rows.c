#include "xapid/host/interface_rows.h"
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/network/network.h"
#include "xapid/reftext.h"

const struct pif *pif_row_create(struct txn *t, struct ref host, struct ref network, const char *device,
                                 const char *mac)
{
    const struct pif *pif = pif_create(t);
    const struct pif_metrics *metrics = pif_metrics_create(t);

    pif_set_device(t, pif, device);
    pif_set_network(t, pif, network);
    pif_set_host(t, pif, host);
    pif_set_mac(t, pif, mac);
    pif_set_mtu(t, pif, 1500);
    pif_set_vlan(t, pif, -1);
    pif_set_physical(t, pif, true);
    pif_set_currently_attached(t, pif, true);
    pif_set_metrics(t, pif, metrics->row.ref);
    pif_metrics_set_device_name(t, metrics, device);
    pif_metrics_set_last_updated(t, metrics, clock_wall());
    return pif;
}

static bool stands_for(const struct pif *pif, const struct net_interface *i)
{
    return strcmp(text_of(pif->device), i->name) == 0 && strcasecmp(text_of(pif->MAC), i->mac) == 0;
}

const struct pif *pif_of_interface(struct db *db, struct ref host, const struct net_interface *i)
{
    FOREACH_REFERRER (db, pif, pif, PIF, HOST, host)
        if (stands_for(pif, i))
            return pif;
    return NULL;
}

static const char *address_of(const struct pif *pif)
{
    const char *ip = text_of(pif->IP);

    return !*ip && set_count(pif->IPv6) > 0 ? text_of(pif->IPv6->v[0].s) : ip;
}

const struct net_interface *pif_interface(const struct pif *pif, const struct host_machine_facts *f)
{
    const struct net_interface *i = net_interface_by_name(f->interfaces, text_of(pif->device));

    return i && stands_for(pif, i) ? i : net_interface_by_address(f->interfaces, address_of(pif));
}

void pif_row_follow(struct txn *t, const struct pif *pif, const struct net_interface *i)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct pif_metrics *metrics = db_pif_metrics(txn_db(t), pif->metrics);

    pif_set_mtu(t, pif, i->mtu);
    pif_set_ip(t, pif, i->ip);
    pif_set_netmask(t, pif, i->netmask);
    pif_set_ip_configuration_mode(t, pif, *i->ip ? IP_CONFIGURATION_MODE_STATIC : IP_CONFIGURATION_MODE_NONE);
    pif_set_ipv6(t, pif, *i->ipv6 ? set_of_strings(mem, 1, i->ipv6) : NULL);
    pif_set_ipv6_configuration_mode(t, pif,
                                    *i->ipv6 ? IPV6_CONFIGURATION_MODE_STATIC : IPV6_CONFIGURATION_MODE_NONE);
    pif_set_primary_address_type(t, pif,
                                 *i->ip || !*i->ipv6 ? PRIMARY_ADDRESS_TYPE_IPV4 : PRIMARY_ADDRESS_TYPE_IPV6);
    if (metrics)
        pif_metrics_set_carrier(t, metrics, i->up);
}

void pif_rows_refresh(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    for (unsigned i = 0; f->interfaces && i < f->interfaces->n; i++) {
        const struct pif *pif = pif_of_interface(txn_db(t), host, &f->interfaces->v[i]);
        if (pif)
            pif_row_follow(t, pif, &f->interfaces->v[i]);
    }
}

/* ---- new ones ---- */

static bool has_pif_of(struct db *db, struct ref network, struct ref host)
{
    FOREACH_REFERRER (db, pif, pif, PIF, NETWORK, network)
        if (ref_equal(pif->host, host))
            return true;
    return false;
}

/* Interfaces of one name are taken to be on one wire on all hosts; a host has one of them on it. */
static struct ref network_for(struct txn *t, struct ref host, const char *device)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *name = talloc_asprintf(mem, "Pool-wide network associated with %s", device);
    char bridge[16];

    DB_FOREACH_NETWORK (txn_db(t), network)
        if (strcmp(text_of(network->name_label), name) == 0 && !has_pif_of(txn_db(t), network->row.ref, host))
            return network->row.ref;
    const struct network *network = network_create(t);
    network_choose_bridge(txn_db(t), network->row.ref, bridge);
    network_set_name_label(t, network, name);
    network_set_bridge(t, network, bridge);
    return network->row.ref;
}

const struct pif *pif_row_introduce(struct txn *t, struct ref host, const struct net_interface *i)
{
    const struct pif *pif = pif_row_create(t, host, network_for(t, host, i->name), i->name, i->mac);

    pif_row_follow(t, pif, i);
    return pif;
}

static bool is_bridge_of_network(struct db *db, const char *name)
{
    DB_FOREACH_NETWORK (db, network)
        if (strcmp(text_of(network->bridge), name) == 0)
            return true;
    return false;
}

/* The PIF of a first start is found to stand for an interface. */
static void settle(struct txn *t, const struct pif *pif, const struct host_machine_facts *f)
{
    const struct net_interface *i = pif_interface(pif, f);
    const struct pif_metrics *metrics = db_pif_metrics(txn_db(t), pif->metrics);

    if (!i || stands_for(pif, i) || pif_of_interface(txn_db(t), pif->host, i))
        return;
    pif_set_device(t, pif, i->name);
    pif_set_mac(t, pif, i->mac);
    if (metrics)
        pif_metrics_set_device_name(t, metrics, i->name);
}

void pif_rows_settle(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    FOREACH_REFERRER (txn_db(t), pif, pif, PIF, HOST, host)
        settle(t, pif, f);
}

void pif_rows_scan(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    pif_rows_settle(t, host, f);
    for (unsigned n = 0; f->interfaces && n < f->interfaces->n; n++) {
        const struct net_interface *i = &f->interfaces->v[n];
        if (!i->loopback && *net_interface_address(i) && !is_bridge_of_network(txn_db(t), i->name) &&
            !pif_of_interface(txn_db(t), host, i))
            pif_set_managed(t, pif_row_introduce(t, host, i), false);
    }
}
