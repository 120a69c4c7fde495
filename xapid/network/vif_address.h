#ifndef XAPID_NETWORK_VIF_ADDRESS_H
#define XAPID_NETWORK_VIF_ADDRESS_H
/*
 * Addresses that VIF.configure_ipv4 and configure_ipv6 give to guests. The guest's QEMU guest agent runs a
 * script for /bin/sh that finds the interface by its MAC address and sets it up with ip(8): at the call, when
 * the VIF is plugged, and whenever the guest tells of its addresses and the one is not among them, as after a
 * start. What else configures the interface in the guest (a DHCP client) should be told to leave it alone.
 * Mode None leaves the guest what it has until it is started anew. Guests without an agent, or without these
 * programs, get nothing.
 */
#include "xapid/server.h"

/* Have a guest use the addresses of its VIFs, in a fiber of its own; all: also those that it has. Nothing
 * when there is nothing to do. Never yields. */
void vif_addresses_apply(struct xapid *x, const struct vm *vm, bool all);

#endif
