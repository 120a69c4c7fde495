#include "net/nat.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "net/nft.h"
#include "net/tool.h"

#define RUN_DIR "/run/xapid"
enum { TURN_MS = 60 * 1000 };

/* Bridges whose tables this process has made: older ones may be those of another version. */
static char **made;
static unsigned n_made;

static bool was_made(const char *bridge)
{
    for (unsigned i = 0; i < n_made; i++)
        if (strcmp(made[i], bridge) == 0)
            return true;
    return false;
}

static void note_made(const char *bridge)
{
    if (was_made(bridge))
        return;
    made = mem_resize(made, (n_made + 1) * sizeof *made);
    made[n_made++] = mem_strdup(bridge);
}

/* A firewall that is started anew takes our tables with the rest, so look each time. */
static bool is_masqueraded(const char *bridge)
{
    CLEANUP_TALLOC char *table = talloc_asprintf(NULL, "xapid_%s", bridge);

    return was_made(bridge) && nft_table_exists(NFT_IP, table);
}

/* Replace the network's table: masquerade what leaves its subnet, let it through a closed forward chain. */
static int co_masquerade(const struct net_network *n, struct err *e)
{
    CLEANUP_TALLOC char *rules =
        talloc_asprintf(NULL,
                        "table ip xapid_%s {}\ndelete table ip xapid_%s\n"
                        "table ip xapid_%s {\n"
                        "  chain post { type nat hook postrouting priority srcnat; ip saddr %s oifname != "
                        "\"%s\" masquerade; }\n"
                        "  chain forward { type filter hook forward priority filter - 1; iifname \"%s\" "
                        "accept; oifname \"%s\" accept; }\n"
                        "}\n",
                        n->bridge, n->bridge, n->bridge, n->subnet, n->bridge, n->bridge, n->bridge);
    const char *argv[] = {"nft", rules, NULL};

    if (co_tool_run(argv, e) < 0)
        return -1;
    note_made(n->bridge);
    return 0;
}

/* The pid that a pid file names when that process is our dnsmasq still, else 0. */
static pid_t running_helper(const char *pid_file)
{
    char text[32] = "", path[64], cmdline[4096 / 2] = "";
    CLEANUP_FD int fd = open(pid_file, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return 0;
    long pid = strtol(text, NULL, 10);
    if (pid <= 1)
        return 0;
    snprintf(path, sizeof path, "/proc/%ld/cmdline", pid);
    CLEANUP_FD int proc = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = proc < 0 ? -1 : read(proc, cmdline, sizeof cmdline - 1);
    for (ssize_t i = 0; i < n; i++)
        if (cmdline[i] == '\0')
            cmdline[i] = ' ';
    return n > 0 && strstr(cmdline, "dnsmasq") && strstr(cmdline, pid_file) ? (pid_t)pid : 0;
}

/* The DHCP range: the subnet without its first nine addresses, "10.1.2.10,10.1.2.254". */
static char *dhcp_range(void *ctx, const char *subnet)
{
    const char *last_dot = strrchr(subnet, '.');
    int len = last_dot ? (int)(last_dot - subnet) : 0;
    return talloc_asprintf(ctx, "%.*s.10,%.*s.254,12h", len, subnet, len, subnet);
}

/* Run dnsmasq. One that a daemon started at the moment of its death may still be on its way to its pid file,
 * and holds the address already: then that one serves. */
static int co_start_helper(const char *const *argv, const char *pid_file, struct err *e)
{
    CLEANUP_ERR struct err failed = {0};

    if (co_tool_run(argv, &failed) == 0)
        return 0;
    for (int i = 0; i < 20; i++) {
        if (running_helper(pid_file))
            return 0;
        if (co_sleep_until(clock_in_ms(50), "dnsmasq's pid file") < 0)
            break;
    }
    err_move(e, &failed);
    return -1;
}

/* Start dnsmasq for the bridge unless it runs already; it puts itself into the background once it listens. */
static int co_serve_dhcp(const struct net_network *n, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *pid_file = talloc_asprintf(mem, RUN_DIR "/dnsmasq-%s.pid", n->bridge);

    if (running_helper(pid_file))
        return 0;
    if (mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
        return err_errno(e, -errno, RUN_DIR);
    const char *argv[] = {"dnsmasq",
                          "--conf-file=/dev/null",
                          "--bind-interfaces",
                          "--except-interface=lo",
                          "--dhcp-authoritative",
                          "--dhcp-no-override",
                          "--no-hosts",
                          "--no-ping", /* the leases say what is taken; a probe would cost each guest 3 s */
                          talloc_asprintf(mem, "--interface=%s", n->bridge),
                          talloc_asprintf(mem, "--pid-file=%s", pid_file),
                          talloc_asprintf(mem, "--dhcp-leasefile=" RUN_DIR "/dnsmasq-%s.leases", n->bridge),
                          talloc_asprintf(mem, "--dhcp-range=%s", dhcp_range(mem, n->subnet)),
                          NULL};
    return co_start_helper(argv, pid_file, e);
}

/* Let the kernel route between the bridge and the world. */
static int allow_forwarding(void)
{
    CLEANUP_FD int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, "1\n", 2) != 2 ? -errno : 0;
}

static int co_nat_up_alone(const struct net_network *n, struct err *e)
{
    int rc = allow_forwarding();

    if (rc < 0)
        return err_errno(e, rc, "ip_forward");
    if (!is_masqueraded(n->bridge) && co_masquerade(n, e) < 0)
        return -1;
    return co_serve_dhcp(n, e);
}

/* One at a time: of two guests that start together on a new network, the second finds it up. */
int co_nat_up(const struct net_network *n, struct err *e)
{
    static struct fiber_cond next = FIBER_COND_INIT(next);
    static bool busy;

    while (busy) {
        int rc = co_cond_wait(&next, clock_in_ms(TURN_MS), "another guest's network to be up");
        if (rc < 0)
            return err_errno(e, rc, "network %s", n->bridge);
    }
    busy = true;
    int rc = co_nat_up_alone(n, e);
    busy = false;
    fiber_cond_broadcast(&next);
    return rc;
}

int co_nat_down(const char *bridge, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *pid_file = talloc_asprintf(mem, RUN_DIR "/dnsmasq-%s.pid", bridge);
    pid_t pid = running_helper(pid_file);
    const char *rules =
        talloc_asprintf(mem, "table ip xapid_%s {}\ndelete table ip xapid_%s\n", bridge, bridge);
    const char *argv[] = {"nft", rules, NULL};

    if (pid > 0)
        kill(pid, SIGTERM);
    unlink(pid_file);
    return co_tool_run(argv, e);
}
