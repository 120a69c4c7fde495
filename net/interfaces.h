#ifndef NET_INTERFACES_H
#define NET_INTERFACES_H
/*
 * The machine's own network interfaces, as the kernel lists them: Ethernet and the loopback, without the taps
 * of guests.
 */
#include <stdbool.h>
#include <stdint.h>

struct net_interface {
    const char *name, *mac;
    const char *ip, *netmask, *ipv6; /* the first of each that others can reach; "" when there is none */
    int64_t mtu;
    bool up, loopback;
};

struct net_interfaces {
    const struct net_interface *v;
    unsigned n;
};

/* Everything on ctx; empty when the kernel does not tell. Never yields. */
const struct net_interfaces *net_interfaces_list(void *ctx);

/* NULL when there is none. An address that the loopback answers without listing it is the loopback's. list
 * may be NULL. */
const struct net_interface *net_interface_by_name(const struct net_interfaces *list, const char *name);
const struct net_interface *net_interface_by_address(const struct net_interfaces *list, const char *address);

/* The one by which it is managed: IPv4 where it has both; "" when it has none. */
const char *net_interface_address(const struct net_interface *i);

#endif
