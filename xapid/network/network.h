#ifndef XAPID_NETWORK_NETWORK_H
#define XAPID_NETWORK_NETWORK_H
#include "net/net.h"
#include "xapid/call.h"

/* Key of network.other_config that makes a network one with an address on its host, NAT and DHCP:
 * "10.1.2.1/24". */
#define NETWORK_SUBNET_KEY "nat_subnet"

/* The network as the agent takes it, texts on ctx. */
void network_describe(void *ctx, const struct network *network, struct net_network *ret);

/* A bridge name that no network has, made from the reference of the one that is to have it. */
void network_choose_bridge(struct db *db, struct ref ref, char bridge[16]);

#endif
