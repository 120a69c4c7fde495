#ifndef XAPID_OWN_ADDRESS_H
#define XAPID_OWN_ADDRESS_H
/*
 * The address at which others reach this host, for what is written into rows and certificates. Never yields.
 */
#include <netinet/in.h>
#include <stddef.h>

enum { OWN_ADDRESS_SIZE = INET6_ADDRSTRLEN };

/* listening itself, unless it is a wildcard ("0.0.0.0", "::" or any spelling of them): then the address that
 * the default route leaves from, else the first of any interface that is up, else the loopback address; of
 * IPv4 for "0.0.0.0", of IPv4 rather than IPv6 for "::", which listens on both. Without brackets. */
void own_address(const char *listening, char ret[OWN_ADDRESS_SIZE]);

/* The start of a URL on this host: "https://10.0.0.1", "https://[fd00::1]:8443". The port is left out when it
 * is 443. On ctx. */
const char *own_url(void *ctx, const char *address, int port);

#endif
