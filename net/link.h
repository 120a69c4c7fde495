#ifndef NET_LINK_H
#define NET_LINK_H
/*
 * Network links through the kernel's own calls (ioctl on bridge and tun devices): a VM start makes several,
 * and a program for each would cost more than QEMU does. All return 0 or -errno. Block, for microseconds most
 * of them; making and removing a tap or a bridge for milliseconds, so that belongs on a worker. Any thread.
 */
#include <stdbool.h>

int link_bridge_create(const char *name); /* -EEXIST when there */
int link_bridge_delete(const char *name); /* also takes it down */
int link_bridge_add(const char *bridge, const char *port);
int link_bridge_remove(const char *bridge, const char *port);

/* The bridge that a link is on; -ENOENT when on none. */
int link_bridge_of(const char *port, char bridge[16]);

/* A persistent tap device, owned by nobody, with offloads as QEMU's vhost-less virtio wants them. */
int link_tap_create(const char *name);
int link_delete_tap(const char *name);

int link_set_up(const char *name, bool up);
int link_set_mtu(const char *name, unsigned mtu);
bool link_exists(const char *name);

/* Give a link its one IPv4 address, "10.1.2.1/24". */
int link_set_address(const char *name, const char *address_and_prefix);

/* Is an address of this subnet in use on any link but `except`? */
bool link_subnet_in_use(const char *address_and_prefix, const char *except);

#endif
