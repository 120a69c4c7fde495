#ifndef NET_FILTER_H
#define NET_FILTER_H
/*
 * What may come from and go to one guest's tap: a table of nftables in the family "bridge", named after the
 * tap. It works on the tap's name, so that it can be there before the tap is.
 */
#include "net/net.h"

/* Make the tap's filter be this one. Errors: INTERNAL_ERROR for addresses that are none, and what nft says.
 */
int co_net_filter_set(const char *ifname, const struct net_filter *f, struct err *e);

/* Take it away, if there is one. 0 or -errno. Blocks shortly; any thread. */
int net_filter_drop(const char *ifname);

#endif
