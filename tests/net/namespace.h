#ifndef TESTS_NET_NAMESPACE_H
#define TESTS_NET_NAMESPACE_H
/* A world of the test's own: network, and a /run and /sys that nobody else sees. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include "net/link.h"

static inline int enter_namespace(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
        return -errno;
    return link_set_up("lo", true);
}

#endif
