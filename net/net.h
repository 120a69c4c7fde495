#ifndef NET_NET_H
#define NET_NET_H
/*
 * Host networking as the agent sees it: bridges, taps, NAT with DHCP. As root the default network is a bridge
 * with an address, nftables masquerading and dnsmasq; without root QEMU's user networking stands in and these
 * calls do nothing.
 *
 * Names: bridges as in network.bridge, at most 15 bytes. A VIF's tap is named by a hash of its uuid and the
 * state directory, so that two hosts on one machine (a lab, a migration within it) never share one. What was
 * made is noted in STATE/net/bridges/ and STATE/net/taps/ before it is made, so that a sweep finds it after a
 * crash.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "model/value.h"

struct net_network {
    char uuid[UUID_TEXT_SIZE];
    const char *bridge;
    unsigned mtu;
    bool nat;           /* give it an address, masquerading and DHCP */
    const char *subnet; /* "10.X.Y.1/24": the bridge's own address with its prefix; NULL: none */
};

/* What a guest's NIC may send and receive. */
enum net_filter_mode {
    NET_UNLOCKED,
    NET_LOCKED,  /* what has the NIC's own MAC address and one of the addresses */
    NET_DISABLED /* nothing */
};
struct net_filter {
    enum net_filter_mode mode;
    const char *mac;         /* "aa:bb:cc:dd:ee:ff"; for NET_LOCKED */
    const char *ipv4, *ipv6; /* addresses, with blanks between; NULL: none */
};

struct net_facts {
    bool root;            /* bridges and taps can be made */
    const char *hostname; /* owned by net/ */
};

/* Find out what this host allows. state_dir holds leases and pid files of the helpers. */
int co_net_open(const char *state_dir, struct net_facts *ret, struct err *e);

/* Make the bridge be as described (idempotent). */
int co_net_network_up(const struct net_network *n, struct err *e);
int co_net_network_down(const char *bridge, struct err *e);

/* A tap for a guest NIC, in the bridge and up; never up without its filter. Its name goes to ifname (""
 * without root). Idempotent. */
int co_net_tap_create(const char *bridge, const char *vif_uuid, unsigned mtu, const struct net_filter *f,
                      char ifname[16], struct err *e);

/* Make the filter and the bridge of a tap be these; nothing when there is no such tap. Idempotent. */
int co_net_tap_change(const char *bridge, const char *vif_uuid, const struct net_filter *f, struct err *e);
int co_net_tap_destroy(const char *vif_uuid, struct err *e);

/* The name that a VIF's tap has, if it has one. Never yields. */
void net_tap_name(const char *vif_uuid, char ifname[16]);

/* Remove the taps of ours that belong to none of these n VIFs. */
int co_net_sweep(const char *const *vif_uuids, unsigned n, struct err *e);

#endif
