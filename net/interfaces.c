#include "net/interfaces.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "lib/mem.h"

enum { MOST = 256 };

/* Taps are named so by net/net.c. */
static bool is_tap(const char *name)
{
    return strncmp(name, "tap", 3) == 0 && strlen(name) == 3 + 11;
}

static const char *text_of_address(void *ctx, const struct sockaddr *a)
{
    char text[INET6_ADDRSTRLEN] = "";
    const void *bytes = a->sa_family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;

    inet_ntop(a->sa_family, bytes, text, sizeof text);
    return talloc_strdup(ctx, text);
}

static int64_t mtu_of(const char *name)
{
    CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    return fd >= 0 && ioctl(fd, SIOCGIFMTU, &r) == 0 ? r.ifr_mtu : 1500;
}

static void add(void *ctx, struct net_interfaces *list, struct net_interface *v, const struct ifaddrs *i)
{
    const struct sockaddr_ll *link = (const void *)i->ifa_addr;
    const unsigned char *b = link->sll_addr;

    if ((link->sll_hatype != ARPHRD_ETHER && link->sll_hatype != ARPHRD_LOOPBACK) || is_tap(i->ifa_name) ||
        list->n == MOST)
        return;
    v[list->n++] = (struct net_interface){
        .name = talloc_strdup(ctx, i->ifa_name),
        .mac = talloc_asprintf(ctx, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]),
        .ip = "",
        .netmask = "",
        .ipv6 = "",
        .mtu = mtu_of(i->ifa_name),
        .up = (i->ifa_flags & IFF_RUNNING) != 0,
        .loopback = link->sll_hatype == ARPHRD_LOOPBACK};
}

static bool is_link_local(const struct sockaddr *a)
{
    return IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static void add_address(void *ctx, struct net_interface *to, const struct ifaddrs *i)
{
    if (i->ifa_addr->sa_family == AF_INET && !*to->ip) {
        to->ip = text_of_address(ctx, i->ifa_addr);
        to->netmask = i->ifa_netmask ? text_of_address(ctx, i->ifa_netmask) : "";
    }
    if (i->ifa_addr->sa_family == AF_INET6 && !*to->ipv6 && !is_link_local(i->ifa_addr))
        to->ipv6 = text_of_address(ctx, i->ifa_addr);
}

const struct net_interfaces *net_interfaces_list(void *ctx)
{
    struct net_interfaces *list = talloc_zero(ctx, struct net_interfaces);
    struct net_interface *v = list ? talloc_zero_array(list, struct net_interface, MOST) : NULL;
    struct ifaddrs *all = NULL;

    if (!v)
        mem_abort();
    list->v = v;
    if (getifaddrs(&all) < 0)
        return list;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_PACKET)
            add(list, list, v, i);
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        const struct net_interface *to = net_interface_by_name(list, i->ifa_name);
        if (to && i->ifa_addr)
            add_address(list, &v[to - v], i);
    }
    freeifaddrs(all);
    return list;
}

const struct net_interface *net_interface_by_name(const struct net_interfaces *list, const char *name)
{
    for (unsigned i = 0; list && i < list->n; i++)
        if (strcmp(list->v[i].name, name) == 0)
            return &list->v[i];
    return NULL;
}

static bool answers(const struct net_interface *i, const char *address)
{
    return strcmp(i->ip, address) == 0 || strcmp(i->ipv6, address) == 0 ||
           (i->loopback && strncmp(address, "127.", 4) == 0);
}

const struct net_interface *net_interface_by_address(const struct net_interfaces *list, const char *address)
{
    for (unsigned i = 0; *address && list && i < list->n; i++)
        if (answers(&list->v[i], address))
            return &list->v[i];
    return NULL;
}

const char *net_interface_address(const struct net_interface *i)
{
    return *i->ip ? i->ip : i->ipv6;
}
