#ifndef NET_NAT_H
#define NET_NAT_H
/*
 * What a NAT network needs beside its bridge: an nftables table that masquerades its subnet, and a dnsmasq
 * that answers DHCP and DNS on it. Both outlive the daemon and are found again by name and pid file. They
 * belong to the bridge, thus to the machine and not to one daemon's state: their files are in /run/xapid, and
 * hosts of a lab share them.
 */
#include "lib/err.h"
#include "net/net.h"

int co_nat_up(const struct net_network *n, struct err *e);
int co_nat_down(const char *bridge, struct err *e);

#endif
