#include "xapid/own_address.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "lib/mem.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool write_text(const struct sockaddr *a, char ret[OWN_ADDRESS_SIZE])
{
    const union address *u = (const void *)a;
    const void *bytes =
        a->sa_family == AF_INET ? (const void *)&u->v4.sin_addr : (const void *)&u->v6.sin6_addr;
    return inet_ntop(a->sa_family, bytes, ret, OWN_ADDRESS_SIZE) != NULL;
}

/* Connecting a datagram socket sends nothing, but picks the route. The peers are addresses kept for
 * documentation. */
static bool find_by_route(int family, char ret[OWN_ADDRESS_SIZE])
{
    union address peer = {.any.sa_family = (sa_family_t)family}, own;
    bool v4 = family == AF_INET;
    socklen_t n = sizeof own;
    CLEANUP_FD int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)inet_pton(family, v4 ? "192.0.2.1" : "2001:db8::1",
                    v4 ? (void *)&peer.v4.sin_addr : (void *)&peer.v6.sin6_addr);
    peer.v4.sin_port = htons(9);
    return fd >= 0 && connect(fd, &peer.any, v4 ? sizeof peer.v4 : sizeof peer.v6) == 0 &&
           getsockname(fd, &own.any, &n) == 0 && write_text(&own.any, ret);
}

static bool is_usable(const struct ifaddrs *i, int family)
{
    unsigned state = i->ifa_flags & (IFF_UP | IFF_LOOPBACK);
    if (!i->ifa_addr || i->ifa_addr->sa_family != family || state != IFF_UP)
        return false;
    const union address *u = (const void *)i->ifa_addr;
    return family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&u->v6.sin6_addr);
}

static bool find_by_interface(int family, char ret[OWN_ADDRESS_SIZE])
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        found = is_usable(i, family) && write_text(i->ifa_addr, ret);
    freeifaddrs(all);
    return found;
}

static bool find(int family, char ret[OWN_ADDRESS_SIZE])
{
    return find_by_route(family, ret) || find_by_interface(family, ret);
}

void own_address(const char *listening, char ret[OWN_ADDRESS_SIZE])
{
    struct in_addr v4;
    struct in6_addr v6;
    bool all4 = inet_pton(AF_INET, listening, &v4) == 1 && v4.s_addr == htonl(INADDR_ANY);
    bool all6 = inet_pton(AF_INET6, listening, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
    if (!all4 && !all6)
        snprintf(ret, OWN_ADDRESS_SIZE, "%s", listening);
    else if (!find(AF_INET, ret) && !(all6 && find(AF_INET6, ret)))
        snprintf(ret, OWN_ADDRESS_SIZE, "%s", all6 ? "::1" : "127.0.0.1");
}

const char *own_url(void *ctx, const char *address, int port)
{
    bool v6 = strchr(address, ':') != NULL;
    char *url = talloc_asprintf(ctx, v6 ? "https://[%s]" : "https://%s", address);
    if (url && port != 443)
        url = talloc_asprintf_append(url, ":%d", port);
    if (!url)
        mem_abort();
    return url;
}
