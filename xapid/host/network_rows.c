/* The networks of a new pool, and the interface that clients reach a host by. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/interface_rows.h"
#include "xapid/network/mac.h"
#include "xapid/network/network.h"
#include "xapid/reftext.h"

/* Does an interface of this machine have an address in 10.x.y.0/24? */
static bool subnet_is_taken(const struct ifaddrs *all, unsigned x, unsigned y)
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !i->ifa_netmask)
            continue;
        uint32_t address = ntohl(((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr);
        uint32_t mask = ntohl(((const struct sockaddr_in *)(const void *)i->ifa_netmask)->sin_addr.s_addr);
        uint32_t ours = 10u << 24 | x << 16 | y << 8;
        if ((address & mask) == (ours & mask) || (address & 0xffffff00u) == ours)
            return true;
    }
    return false;
}

/* A private subnet that nothing on this machine uses; where several daemons share it, chance keeps them
 * apart. */
static void choose_subnet(struct ref seed, char text[24])
{
    struct ifaddrs *all = NULL;
    uint64_t n = seed.lo;

    if (getifaddrs(&all) < 0)
        all = NULL;
    for (unsigned tries = 0; tries < 1000 && subnet_is_taken(all, n >> 8 & 0xff, n & 0xff); tries++)
        n = n * 6364136223846793005u + 1442695040888963407u;
    snprintf(text, 24, "10.%u.%u.1/24", (unsigned)(n >> 8 & 0xff), (unsigned)(n & 0xff));
    if (all)
        freeifaddrs(all);
}

static const struct network *make_network(struct txn *t, const char *name, const char *description)
{
    const struct network *network = network_create(t);
    char bridge[16];

    network_choose_bridge(txn_db(t), network->row.ref, bridge);
    network_set_name_label(t, network, name);
    network_set_name_description(t, network, description);
    network_set_bridge(t, network, bridge);
    return network;
}

static const struct network *make_default(struct txn *t)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct network *network =
        make_network(t, "Pool-wide network associated with eth0",
                     "Virtual machines get addresses here and reach the outside by NAT");
    char subnet[24];

    choose_subnet(network->row.ref, subnet);
    network_set_other_config(t, network, map_with(mem, NULL, NETWORK_SUBNET_KEY, subnet));
    return network;
}

static void make_internal(struct txn *t)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct network *network = make_network(
        t, "Host internal management network",
        "A network on which guests are assigned a private link-local address and can talk to their host");
    struct map *config = map_with(mem, NULL, "is_host_internal_management_network", "true");

    config = map_with(mem, config, "is_guest_installer_network", "true");
    config = map_with(mem, config, "ip_begin", "169.254.0.1");
    config = map_with(mem, config, "ip_end", "169.254.255.254");
    config = map_with(mem, config, "netmask", "255.255.0.0");
    network_set_other_config(t, network, config);
}

static const struct pif *make_pif(struct txn *t, struct ref host, struct ref network)
{
    const struct pif *pif = pif_row_create(t, host, network, "eth0", "");
    const struct pif_metrics *metrics = db_pif_metrics(txn_db(t), pif->metrics);
    char mac[MAC_TEXT_SIZE];

    mac_from_seed(pif->uuid, 0, mac);
    pif_set_mac(t, pif, mac);
    pif_set_management(t, pif, true);
    pif_set_ip_configuration_mode(t, pif, IP_CONFIGURATION_MODE_STATIC);
    pif_metrics_set_carrier(t, metrics, true);
    pif_metrics_set_speed(t, metrics, 1000);
    pif_metrics_set_duplex(t, metrics, true);
    return pif;
}

static const struct pif *management_pif(struct db *db, struct ref host)
{
    FOREACH_REFERRER (db, pif, pif, PIF, HOST, host)
        if (pif->management)
            return pif;
    return NULL;
}

/* All hosts of a pool are managed over the same network. */
static struct ref management_network(struct db *db)
{
    DB_FOREACH_PIF (db, pif)
        if (pif->management)
            return pif->network;
    return REF_NULL;
}

static struct ref make_networks(struct txn *t)
{
    struct ref ref = make_default(t)->row.ref;

    make_internal(t);
    return ref;
}

static void set_address(struct txn *t, const struct pif *pif, const char *address)
{
    bool v6 = strchr(address, ':') != NULL;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    pif_set_ip(t, pif, v6 ? "" : address);
    pif_set_netmask(t, pif, v6 ? "" : strncmp(address, "127.", 4) == 0 ? "255.0.0.0" : "255.255.255.0");
    if (v6)
        pif_set_ipv6(t, pif, set_of_strings(mem, 1, address));
    pif_set_primary_address_type(t, pif, v6 ? PRIMARY_ADDRESS_TYPE_IPV6 : PRIMARY_ADDRESS_TYPE_IPV4);
}

/* The PIF of the interface that was chosen. */
static const struct pif *chosen_pif(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    const struct net_interface *i = net_interface_by_name(f->interfaces, text_of(f->interface));

    if (!i)
        return NULL;
    if (!pif_of_interface(txn_db(t), host, i))
        pif_rows_settle(t, host, f);
    const struct pif *pif = pif_of_interface(txn_db(t), host, i);
    return pif ? pif : pif_row_introduce(t, host, i);
}

static const struct pif *first_pif(struct db *db, struct ref host)
{
    FOREACH_REFERRER (db, pif, pif, PIF, HOST, host)
        return pif;
    return NULL;
}

/* One is, and no other. */
static void manage_by(struct txn *t, struct ref host, const struct pif *chosen)
{
    FOREACH_REFERRER (txn_db(t), pif, pif, PIF, HOST, host)
        if (pif->management != (pif == chosen))
            pif_set_management(t, pif, pif == chosen);
}

static const struct pif *find_pif(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    const struct pif *pif = chosen_pif(t, host, f);

    if (!pif)
        pif = management_pif(txn_db(t), host);
    return pif ? pif : first_pif(txn_db(t), host);
}

void network_rows(struct txn *t, struct ref host, const struct host_machine_facts *f)
{
    const struct pif *pif = find_pif(t, host, f);
    struct ref network = management_network(txn_db(t));

    if (ref_is_null(network) && db_count(txn_db(t), CLASS_NETWORK) == 0)
        network = make_networks(t);
    if (!pif && !ref_is_null(network))
        pif = make_pif(t, host, network);
    manage_by(t, host, *f->address ? pif : NULL);
    pif_rows_refresh(t, host, f);
    if (pif && *f->address && strcmp(text_of(pif->IP), f->address) != 0)
        set_address(t, pif, f->address);
}
