/* What a locked NIC may send and receive: real frames through real taps, bridges and nftables, in a
 * namespace. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "lib/clock.h"
#include "net/link.h"
#include "net/net.h"
#include "net/nft.h"
#include "tests/in_fiber.h"
#include "tests/net/namespace.h"

enum { SKIPPED = 77, VNET_HEADER = 10, ETHERNET = 14, FRAME_MAX = 192 };
#define MAC_A "02:00:00:00:00:0a"
#define IP_A "10.9.0.5"
#define IP6_A "2001:db8::5"

static const char *const vifs[] = {
    "11111111-2222-4333-8444-00000000000a", "11111111-2222-4333-8444-00000000000b",
    "11111111-2222-4333-8444-00000000000c", "11111111-2222-4333-8444-00000000000d"};
enum { A, B, C, D, TAPS }; /* A is the guest in question; D is on the other bridge */
static const struct net_filter unlocked = {.mode = NET_UNLOCKED}, disabled = {.mode = NET_DISABLED},
                               locked = {
                                   .mode = NET_LOCKED, .mac = MAC_A, .ipv4 = "10.9.0.4 " IP_A, .ipv6 = IP6_A};
static char state_dir[64], names[TAPS][16];
static int taps[TAPS];

/* ---- frames ---- */

struct frame {
    unsigned char bytes[FRAME_MAX];
    size_t n;
};

static void add(struct frame *f, const void *bytes, size_t n)
{
    ck_assert_uint_le(f->n + n, sizeof f->bytes);
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static void add_number(struct frame *f, unsigned value, int bytes)
{
    while (bytes-- > 0)
        add(f, &(unsigned char){(unsigned char)(value >> 8 * bytes)}, 1);
}

static void add_address(struct frame *f, int family, const char *text)
{
    unsigned char bytes[16];

    ck_assert_int_eq(inet_pton(family, text, bytes), 1);
    add(f, bytes, family == AF_INET ? 4 : 16);
}

static void add_mac(struct frame *f, const char *text)
{
    unsigned m[6];

    ck_assert_int_eq(sscanf(text, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]), 6);
    for (int i = 0; i < 6; i++)
        add_number(f, m[i], 1);
}

static struct frame ethernet(const char *from, unsigned type)
{
    struct frame f = {.n = VNET_HEADER};

    add_mac(&f, "ff:ff:ff:ff:ff:ff");
    add_mac(&f, from);
    add_number(&f, type, 2);
    return f;
}

static struct frame arp(const char *mac, const char *claimed_mac, const char *from, const char *about)
{
    struct frame f = ethernet(mac, 0x0806);

    add(&f, "\0\1\10\0\6\4\0\1", 8);
    add_mac(&f, claimed_mac);
    add_address(&f, AF_INET, from);
    add_mac(&f, "00:00:00:00:00:00");
    add_address(&f, AF_INET, about);
    return f;
}

/* Where br_netfilter is loaded, a header that does not add up is dropped. */
static void put_checksum(unsigned char *header)
{
    unsigned sum = 0;

    for (int i = 0; i < 20; i += 2)
        sum += (unsigned)header[i] << 8 | header[i + 1];
    sum = ~((sum & 0xffff) + (sum >> 16));
    header[10] = (unsigned char)(sum >> 8);
    header[11] = (unsigned char)sum;
}

static struct frame udp(const char *mac, const char *from, const char *to, unsigned sport, unsigned dport)
{
    struct frame f = ethernet(mac, 0x0800);

    add(&f, "\x45\0\0\x2c\0\0\0\0\x40\x11\0\0", 12);
    add_address(&f, AF_INET, from);
    add_address(&f, AF_INET, to);
    put_checksum(f.bytes + VNET_HEADER + ETHERNET);
    add_number(&f, sport, 2);
    add_number(&f, dport, 2);
    add_number(&f, 24, 2);
    add_number(&f, 0, 2);
    return f;
}

/* next: 58 with an ICMPv6 type and what it is about, else 17. */
static struct frame ipv6(const char *mac, const char *from, const char *to, unsigned type, const char *about)
{
    struct frame f = ethernet(mac, 0x86dd);

    add(&f, "\x60\0\0\0\0\x20", 6);
    add_number(&f, type ? 58 : 17, 1);
    add_number(&f, 255, 1);
    add_address(&f, AF_INET6, from);
    add_address(&f, AF_INET6, to);
    add_number(&f, type << 24, 4);
    add_number(&f, 0, 4);
    if (about)
        add_address(&f, AF_INET6, about);
    return f;
}

static struct frame tagged(struct frame inner)
{
    struct frame f = {.n = 0};

    add(&f, inner.bytes, VNET_HEADER + ETHERNET - 2);
    add_number(&f, 0x81000005, 4);
    add(&f, inner.bytes + f.n - 4, inner.n - (f.n - 4));
    return f;
}

/* ---- passing ---- */

static void send_marked(int tap, struct frame f, unsigned mark)
{
    add(&f, &mark, sizeof mark);
    add(&f, (const char[40]){0}, 40);
    ck_assert_int_eq(write(tap, f.bytes, f.n), (ssize_t)f.n);
}

/* The mark of the next frame that has one of these two; the kernel's own are passed over. */
static unsigned next_mark(int tap, unsigned one, unsigned other)
{
    for (;;) {
        unsigned char bytes[2048];
        struct pollfd p = {.fd = tap, .events = POLLIN};

        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        ssize_t n = read(tap, bytes, sizeof bytes);
        for (ssize_t i = VNET_HEADER; i + (ssize_t)sizeof one <= n; i++)
            if (memcmp(bytes + i, &one, sizeof one) == 0 || memcmp(bytes + i, &other, sizeof other) == 0)
                return memcmp(bytes + i, &one, sizeof one) == 0 ? one : other;
    }
}

/* Does the frame get from one tap to the other? A third, which is free, says when it would have. */
static bool passes(int from, int to, struct frame f)
{
    static unsigned last = 0x5a17c300;
    unsigned mark = ++last, end = ++last;
    struct frame open = udp("02:00:00:00:00:0c", "10.9.0.99", IP_A, 67, 68);

    send_marked(taps[from], f, mark);
    send_marked(taps[C], open, end);
    if (next_mark(taps[to], mark, end) == end)
        return false;
    ck_assert_uint_eq(next_mark(taps[to], mark, end), end);
    return true;
}

/* ---- the world ---- */

static int open_tap(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    strcpy(r.ifr_name, name);
    ck_assert_int_eq(ioctl(fd, TUNSETIFF, &r), 0);
    return fd;
}

/* A port forwards once the kernel has seen its carrier. */
static void co_wait_forwarding(const char *name)
{
    int64_t limit = clock_in_ms(10000);
    char path[64], state = 0;

    snprintf(path, sizeof path, "/sys/class/net/%.15s/brport/state", name);
    while (state != '3') {
        CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert(clock_now() < limit && fd >= 0 && read(fd, &state, 1) == 1);
        ck_assert_int_eq(co_sleep_until(clock_in_ms(2), "port %s", name), 0);
    }
}

static void co_set_up(void)
{
    static const struct net_network one = {.bridge = "xtest0", .mtu = 1500},
                                    other = {.bridge = "xtest1", .mtu = 1500};
    CLEANUP_ERR struct err e = {0};
    struct net_facts facts;

    strcpy(state_dir, "/tmp/xapid-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(state_dir));
    ck_assert_int_eq(co_net_open(state_dir, &facts, &e), 0);
    ck_assert_int_eq(co_net_network_up(&one, &e), 0);
    ck_assert_int_eq(co_net_network_up(&other, &e), 0);
    for (int i = 0; i < TAPS; i++) {
        ck_assert_int_eq(co_net_tap_create(i == D ? "xtest1" : "xtest0", vifs[i], 1500,
                                           i == A ? &locked : &unlocked, names[i], &e),
                         0);
        taps[i] = open_tap(names[i]);
    }
    for (int i = 0; i < TAPS; i++)
        co_wait_forwarding(names[i]);
}

static void co_tear_down(void)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_FREE char *command = NULL;

    for (int i = 0; i < TAPS; i++) {
        close(taps[i]);
        ck_assert_int_eq(co_net_tap_destroy(vifs[i], &e), 0);
    }
    ck_assert_int_eq(co_net_network_down("xtest0", &e), 0);
    ck_assert_int_eq(co_net_network_down("xtest1", &e), 0);
    ck_assert_int_eq(system("test -z \"$(nft list tables bridge)\""), 0);
    ck_assert_int_gt(asprintf(&command, "test -z \"$(ls %s/net/taps)\" && rm -rf %s", state_dir, state_dir),
                     0);
    ck_assert_int_eq(system(command), 0);
}

/* ---- tests ---- */

static void ipv4_from_it(void)
{
    ck_assert(passes(A, B, udp(MAC_A, IP_A, "10.9.0.1", 9, 9)));
    ck_assert(passes(A, B, udp(MAC_A, "10.9.0.4", "10.9.0.1", 9, 9)));
    ck_assert(!passes(A, B, udp(MAC_A, "10.9.0.6", "10.9.0.1", 9, 9)));
    ck_assert(!passes(A, B, udp("02:00:00:00:00:0e", IP_A, "10.9.0.1", 9, 9)));
    ck_assert(passes(A, B, udp(MAC_A, "0.0.0.0", "255.255.255.255", 68, 67)));
    ck_assert(!passes(A, B, udp(MAC_A, "0.0.0.0", "255.255.255.255", 68, 9)));
    ck_assert(!passes(A, B, tagged(udp(MAC_A, IP_A, "10.9.0.1", 9, 9))));
}

static void arp_from_it(void)
{
    ck_assert(passes(A, B, arp(MAC_A, MAC_A, IP_A, "10.9.0.1")));
    ck_assert(passes(A, B, arp(MAC_A, MAC_A, "0.0.0.0", IP_A)));
    ck_assert(!passes(A, B, arp(MAC_A, MAC_A, "10.9.0.1", IP_A)));
    ck_assert(!passes(A, B, arp(MAC_A, "02:00:00:00:00:0e", IP_A, "10.9.0.1")));
}

static void ipv6_from_it(void)
{
    ck_assert(passes(A, B, ipv6(MAC_A, IP6_A, "2001:db8::1", 0, NULL)));
    ck_assert(!passes(A, B, ipv6(MAC_A, "2001:db8::6", "2001:db8::1", 0, NULL)));
    ck_assert(passes(A, B, ipv6(MAC_A, "fe80::ff:fe00:a", "ff02::1", 135, "2001:db8::1")));
    ck_assert(passes(A, B, ipv6(MAC_A, IP6_A, "ff02::1", 136, IP6_A)));
    ck_assert(!passes(A, B, ipv6(MAC_A, IP6_A, "ff02::1", 136, "2001:db8::1")));
    ck_assert(!passes(A, B, ipv6(MAC_A, IP6_A, "ff02::1", 134, NULL)));
}

static void what_goes_to_it(void)
{
    ck_assert(passes(B, A, udp("02:00:00:00:00:0b", "10.9.0.1", IP_A, 9, 9)));
    ck_assert(!passes(B, A, udp("02:00:00:00:00:0b", "10.9.0.1", "10.9.0.6", 9, 9)));
    ck_assert(!passes(B, A, tagged(udp("02:00:00:00:00:0b", "10.9.0.1", IP_A, 9, 9))));
    ck_assert(passes(B, A, ipv6("02:00:00:00:00:0b", "2001:db8::1", IP6_A, 0, NULL)));
    ck_assert(!passes(B, A, ipv6("02:00:00:00:00:0b", "2001:db8::1", "2001:db8::6", 0, NULL)));
}

static void co_locked(void *unused)
{
    co_set_up();
    ipv4_from_it();
    arp_from_it();
    ipv6_from_it();
    what_goes_to_it();
    co_tear_down();
}

START_TEST(a_locked_nic_speaks_with_its_own_addresses_only)
{
    run_in_fiber(co_locked, NULL);
}
END_TEST

static void co_changes(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    const struct net_filter nonsense[] = {{.mode = NET_LOCKED, .mac = MAC_A, .ipv4 = "1.2.3.4; drop"},
                                          {.mode = NET_LOCKED, .mac = MAC_A, .ipv6 = "10.9.0.5"},
                                          {.mode = NET_LOCKED, .mac = "} drop {", .ipv4 = IP_A},
                                          {.mode = NET_LOCKED, .ipv4 = IP_A}};
    struct frame spoofed = udp(MAC_A, "10.9.0.6", "10.9.0.1", 9, 9),
                 good = udp(MAC_A, IP_A, "10.9.0.1", 9, 9);

    co_set_up();
    ck_assert_int_eq(co_net_tap_change("xtest0", vifs[A], &disabled, &e), 0);
    ck_assert(!passes(A, B, good) && !passes(A, B, spoofed));
    ck_assert_int_eq(co_net_tap_change("xtest0", vifs[A], &unlocked, &e), 0);
    ck_assert(passes(A, B, good) && passes(A, B, spoofed));
    ck_assert_int_eq(co_net_tap_change("xtest0", vifs[A], &locked, &e), 0);
    for (unsigned i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        ck_assert_int_lt(co_net_tap_change("xtest0", vifs[A], &nonsense[i], &e), 0);
        err_clear(&e);
        ck_assert(passes(A, B, good) && !passes(A, B, spoofed));
    }
    ck_assert_int_eq(co_net_tap_change("xtest1", vifs[A], &locked, &e), 0);
    ck_assert(!passes(A, B, good));
    ck_assert_int_eq(co_net_tap_change("xtest1", vifs[C], &unlocked, &e), 0);
    ck_assert(passes(A, D, good) && !passes(A, D, spoofed));
    ck_assert_int_eq(co_net_tap_change("xtest1", vifs[A], &locked, &e), 0);
    ck_assert(passes(A, D, good));
    ck_assert_int_lt(co_net_tap_change("xnowhere", vifs[A], &locked, &e), 0);
    ck_assert_int_eq(co_net_tap_change("xtest1", "11111111-2222-4333-8444-00000000000e", &locked, &e), 0);
    ck_assert_int_eq(co_net_sweep(NULL, 0, &e), 0);
    ck_assert(!nft_table_exists(NFT_BRIDGE, "xapid_") && nft_table_delete(NFT_BRIDGE, "xapid_") == -ENOENT);
    co_tear_down();
}

START_TEST(a_nic_is_locked_shut_off_freed_and_moved_while_it_is_used)
{
    run_in_fiber(co_changes, NULL);
}
END_TEST

int main(void)
{
    if (enter_namespace() < 0) {
        puts("needs root and network namespaces: skipped");
        return SKIPPED;
    }
    Suite *s = suite_create("filter");
    TCase *t = tcase_create("frames");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_locked_nic_speaks_with_its_own_addresses_only);
    tcase_add_test(t, a_nic_is_locked_shut_off_freed_and_moved_while_it_is_used);
    suite_add_tcase(s, t);
    return run_suite(s);
}
