#ifndef XE_CMD_URL_H
#define XE_CMD_URL_H
/*
 * The few URLs that xe follows: http and https with a host, perhaps a port, and a path. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>

struct url {
    bool tls;
    const char *host; /* without the brackets of an IPv6 address */
    uint16_t port;
    const char *target; /* path and query, at least "/" */
};

/* Read text into *ret, on ctx. False when it is no such URL. */
bool url_parse(void *ctx, const char *text, struct url *ret);

#endif
