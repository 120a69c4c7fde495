#include "net/link.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/cleanup.h"

/* One ioctl on a throw-away socket. */
static int control(unsigned long request, void *arg)
{
    CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 || ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int name_request(struct ifreq *r, const char *name)
{
    memset(r, 0, sizeof *r);
    if (strlen(name) >= sizeof r->ifr_name)
        return -ENAMETOOLONG;
    strcpy(r->ifr_name, name);
    return 0;
}

int link_bridge_create(const char *name)
{
    char copy[IFNAMSIZ];

    if (strlen(name) >= sizeof copy)
        return -ENAMETOOLONG;
    strcpy(copy, name);
    return control(SIOCBRADDBR, copy);
}

int link_bridge_delete(const char *name)
{
    char copy[IFNAMSIZ];

    if (strlen(name) >= sizeof copy)
        return -ENAMETOOLONG;
    strcpy(copy, name);
    link_set_up(name, false);
    return control(SIOCBRDELBR, copy);
}

static int change_port(const char *bridge, const char *port, unsigned long request)
{
    struct ifreq r;
    int rc = name_request(&r, bridge);

    if (rc < 0)
        return rc;
    r.ifr_ifindex = (int)if_nametoindex(port);
    return r.ifr_ifindex ? control(request, &r) : -ENODEV;
}

int link_bridge_add(const char *bridge, const char *port)
{
    return change_port(bridge, port, SIOCBRADDIF);
}

int link_bridge_remove(const char *bridge, const char *port)
{
    return change_port(bridge, port, SIOCBRDELIF);
}

int link_bridge_of(const char *port, char bridge[16])
{
    char path[64], target[256] = "";

    snprintf(path, sizeof path, "/sys/class/net/%.15s/master", port);
    if (readlink(path, target, sizeof target - 1) < 0)
        return errno == ENOENT ? -ENOENT : -errno;
    const char *slash = strrchr(target, '/');
    snprintf(bridge, 16, "%.15s", slash ? slash + 1 : target);
    return 0;
}

/* Make or remove a tap: the device persists beyond the descriptor that made it. */
static int tap_persist(const char *name, int persist)
{
    struct ifreq r;
    int rc = name_request(&r, name);
    CLEANUP_FD int fd = rc < 0 ? -1 : open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (rc < 0)
        return rc;
    if (fd < 0)
        return -errno;
    r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, &r) < 0 || ioctl(fd, TUNSETPERSIST, persist) < 0)
        return -errno;
    return 0;
}

int link_tap_create(const char *name)
{
    return tap_persist(name, 1);
}

int link_delete_tap(const char *name)
{
    return link_exists(name) ? tap_persist(name, 0) : 0;
}

int link_set_up(const char *name, bool up)
{
    struct ifreq r;
    int rc = name_request(&r, name);

    if (rc == 0)
        rc = control(SIOCGIFFLAGS, &r);
    if (rc < 0)
        return rc;
    r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
    return control(SIOCSIFFLAGS, &r);
}

int link_set_mtu(const char *name, unsigned mtu)
{
    struct ifreq r;
    int rc = name_request(&r, name);

    r.ifr_mtu = (int)mtu;
    return rc < 0 ? rc : control(SIOCSIFMTU, &r);
}

bool link_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

/* Split "10.1.2.1/24" into address and netmask, both in network order. */
static int parse_subnet(const char *text, struct in_addr *address, struct in_addr *mask)
{
    char copy[32];
    const char *slash = strchr(text, '/');
    char *end;

    if (!slash || (size_t)(slash - text) >= sizeof copy)
        return -EINVAL;
    memcpy(copy, text, (size_t)(slash - text));
    copy[slash - text] = '\0';
    long prefix = strtol(slash + 1, &end, 10);
    if (*end || end == slash + 1 || prefix < 1 || prefix > 32 || inet_pton(AF_INET, copy, address) != 1)
        return -EINVAL;
    mask->s_addr = htonl(~0u << (32 - prefix));
    return 0;
}

int link_set_address(const char *name, const char *address_and_prefix)
{
    struct in_addr address, mask;
    struct ifreq r;
    struct sockaddr_in *sin = (struct sockaddr_in *)&r.ifr_addr;
    int rc = parse_subnet(address_and_prefix, &address, &mask);

    if (rc == 0)
        rc = name_request(&r, name);
    if (rc < 0)
        return rc;
    sin->sin_family = AF_INET;
    sin->sin_addr = address;
    rc = control(SIOCSIFADDR, &r);
    sin->sin_addr = mask;
    return rc < 0 ? rc : control(SIOCSIFNETMASK, &r);
}

bool link_subnet_in_use(const char *address_and_prefix, const char *except)
{
    struct in_addr address, mask;
    struct ifaddrs *all;
    bool used = false;

    if (parse_subnet(address_and_prefix, &address, &mask) < 0 || getifaddrs(&all) < 0)
        return false;
    for (struct ifaddrs *i = all; i && !used; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && strcmp(i->ifa_name, except) != 0) {
            struct in_addr theirs = ((struct sockaddr_in *)i->ifa_addr)->sin_addr;
            used = (theirs.s_addr & mask.s_addr) == (address.s_addr & mask.s_addr);
        }
    freeifaddrs(all);
    return used;
}
