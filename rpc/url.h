#ifndef RPC_URL_H
#define RPC_URL_H
/*
 * The few URLs that are followed: http and https with a host, perhaps a name and password, a port, and a
 * path. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>

struct url {
    bool tls;
    const char *credentials; /* "name:password", decoded; NULL: none */
    const char *host;        /* without the brackets of an IPv6 address */
    uint16_t port;
    const char *target; /* path and query, at least "/" */
};

/* Read text into *ret, on ctx. False when it is no such URL. */
bool url_parse(void *ctx, const char *text, struct url *ret);

/* What a redirection to `location` means for who asked for from, on ctx; NULL when that is nowhere to go. */
const char *url_resolve(void *ctx, const struct url *from, const char *location);

#endif
