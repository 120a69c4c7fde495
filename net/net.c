#include "net/net.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fault.h"
#include "lib/fiber.h"
#include "net/filter.h"
#include "net/link.h"
#include "net/nat.h"

static struct {
    bool root;
    char state_dir[512], hostname[256];
} net;

/* Can this process make bridges? Tried, since a container's root may not. */
static bool may_make_links(void)
{
    char name[16];

    snprintf(name, sizeof name, "xprobe%d", (int)(getpid() % 1000000));
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
        return false;
    int rc = link_bridge_create(name);
    if (rc == 0)
        link_bridge_delete(name);
    return rc == 0 || rc == -EEXIST;
}

/* Make STATE/net and its two folders of notes. */
static int make_folders(void)
{
    static const char *const folders[] = {"", "/bridges", "/taps"};
    char path[600];

    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/net%s", net.state_dir, folders[i]);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

int co_net_open(const char *state_dir, struct net_facts *ret, struct err *e)
{
    if (snprintf(net.state_dir, sizeof net.state_dir, "%s", state_dir) >= (int)sizeof net.state_dir)
        return err_internal(e, "the state directory's name is too long");
    if (gethostname(net.hostname, sizeof net.hostname - 1) < 0)
        snprintf(net.hostname, sizeof net.hostname, "localhost");
    net.root = may_make_links();
    int rc = make_folders();
    *ret = (struct net_facts){.root = net.root, .hostname = net.hostname};
    return rc < 0 ? err_errno(e, rc, "%s/net", state_dir) : 0;
}

/* Note a link before it is made. */
static int note(const char *kind, const char *name)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/net/%s/%s", net.state_dir, kind, name);
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

static void forget(const char *kind, const char *name)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/net/%s/%s", net.state_dir, kind, name);
    unlink(path);
}

/* FNV-1a over the state directory and the VIF's uuid: 44 bits as "tap" and eleven digits. */
void net_tap_name(const char *vif_uuid, char ifname[16])
{
    uint64_t h = 14695981039346656037u;

    for (const char *p = net.state_dir; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (const char *p = vif_uuid; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    snprintf(ifname, 16, "tap%011llx", (unsigned long long)((h ^ h >> 44) & 0xfffffffffffu));
}

/* Bring the bridge up with its MTU and address. */
static int bridge_up(const struct net_network *n)
{
    int rc = link_bridge_create(n->bridge);

    if (rc == -EEXIST)
        rc = 0;
    if (rc == 0 && n->subnet)
        rc = link_set_address(n->bridge, n->subnet);
    if (rc == 0)
        rc = link_set_up(n->bridge, true);
    return rc;
}

int co_net_network_up(const struct net_network *n, struct err *e)
{
    int rc;

    if (!net.root)
        return 0;
    bool fresh = !link_exists(n->bridge);
    if ((rc = fault_point(FAULT_NETWORK, "bridge up")) < 0 || (rc = note("bridges", n->bridge)) < 0 ||
        (rc = bridge_up(n)) < 0) {
        if (fresh)
            link_bridge_delete(n->bridge);
        return err_errno(e, rc, "bridge %s", n->bridge);
    }
    return n->nat && n->subnet ? co_nat_up(n, e) : 0;
}

int co_net_network_down(const char *bridge, struct err *e)
{
    if (!net.root || !link_exists(bridge))
        return 0;
    if (co_nat_down(bridge, e) < 0)
        return -1;
    int rc = link_bridge_delete(bridge);
    forget("bridges", bridge);
    return rc < 0 && rc != -ENXIO ? err_errno(e, rc, "bridge %s", bridge) : 0;
}

/*
 * The kernel may take tens of milliseconds to make a link and more to take it away (it waits until no
 * processor looks at it any more), so that is done on a worker.
 */
struct tap {
    const char *bridge;
    unsigned mtu;
    char ifname[16];
};

/* Make the tap, put it on the bridge, bring it up. */
static int tap_up(const struct tap *t)
{
    int rc = link_tap_create(t->ifname);

    if (rc == 0 && t->mtu)
        rc = link_set_mtu(t->ifname, t->mtu);
    if (rc == 0)
        rc = link_bridge_add(t->bridge, t->ifname);
    if (rc == -EBUSY) /* it is on a bridge already: a start that was repeated */
        rc = 0;
    return rc < 0 ? rc : link_set_up(t->ifname, true);
}

/* Runs on a worker. Remove one tap, its filter and its note. */
static int drop_tap(void *arg)
{
    const struct tap *t = arg;
    int rc = link_delete_tap(t->ifname);

    if (rc == 0)
        rc = net_filter_drop(t->ifname);
    if (rc == 0)
        forget("taps", t->ifname);
    return rc;
}

/* Runs on a worker. */
static int make_tap(void *arg)
{
    struct tap *t = arg;
    int rc = tap_up(t);

    if (rc < 0)
        drop_tap(t);
    return rc;
}

int co_net_tap_create(const char *bridge, const char *vif_uuid, unsigned mtu, const struct net_filter *f,
                      char ifname[16], struct err *e)
{
    struct tap t = {bridge, mtu, ""};

    ifname[0] = '\0';
    if (!net.root)
        return 0;
    net_tap_name(vif_uuid, t.ifname);
    memcpy(ifname, t.ifname, sizeof t.ifname);
    int rc = fault_point(FAULT_NETWORK, "tap create");
    if (rc == 0)
        rc = note("taps", t.ifname); /* the filter is the tap's */
    if (rc == 0 && co_net_filter_set(t.ifname, f, e) < 0)
        return -1;
    if (rc == 0)
        rc = co_run_worker(make_tap, &t, "tap %s", t.ifname);
    if (rc < 0)
        return err_errno(e, rc, "tap %s on %s", t.ifname, bridge);
    return 0;
}

/* Runs on a worker. */
static int move_tap(void *arg)
{
    const struct tap *t = arg;
    char bridge[16];
    int rc = link_bridge_of(t->ifname, bridge);

    if (rc == 0 && strcmp(bridge, t->bridge) == 0)
        return 0;
    if (rc == 0)
        rc = link_bridge_remove(bridge, t->ifname);
    return rc == 0 || rc == -ENOENT ? link_bridge_add(t->bridge, t->ifname) : rc;
}

int co_net_tap_change(const char *bridge, const char *vif_uuid, const struct net_filter *f, struct err *e)
{
    struct tap t = {.bridge = bridge};

    if (!net.root)
        return 0;
    net_tap_name(vif_uuid, t.ifname);
    if (!link_exists(t.ifname))
        return 0;
    if (co_net_filter_set(t.ifname, f, e) < 0)
        return -1;
    int rc = fault_point(FAULT_NETWORK, "tap move");
    if (rc == 0)
        rc = co_run_worker(move_tap, &t, "tap %s to move", t.ifname);
    return rc < 0 ? err_errno(e, rc, "tap %s on %s", t.ifname, bridge) : 0;
}

int co_net_tap_destroy(const char *vif_uuid, struct err *e)
{
    struct tap t = {0};

    if (!net.root)
        return 0;
    net_tap_name(vif_uuid, t.ifname);
    int rc = co_run_worker(drop_tap, &t, "the end of tap %s", t.ifname);
    return rc < 0 ? err_errno(e, rc, "tap %s", t.ifname) : 0;
}

static bool belongs_to(const char *ifname, const char *const *vif_uuids, unsigned n)
{
    char name[16];

    for (unsigned i = 0; i < n; i++) {
        net_tap_name(vif_uuids[i], name);
        if (strcmp(name, ifname) == 0)
            return true;
    }
    return false;
}

int co_net_sweep(const char *const *vif_uuids, unsigned n, struct err *e)
{
    char path[600];

    snprintf(path, sizeof path, "%s/net/taps", net.state_dir);
    DIR *dir = net.root ? opendir(path) : NULL;
    if (!dir)
        return net.root ? err_errno(e, -errno, "%s", path) : 0;
    for (struct dirent *d; (d = readdir(dir));) {
        struct tap t = {0};
        snprintf(t.ifname, sizeof t.ifname, "%.15s", d->d_name);
        if (t.ifname[0] != '.' && !belongs_to(t.ifname, vif_uuids, n))
            drop_tap(&t); /* on the spot: a wait would let a start make a tap that is not in the list */
    }
    closedir(dir);
    return 0;
}
