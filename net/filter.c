/*
 * The rules of a locked NIC. It speaks with its own MAC address only, and with the addresses it is allowed:
 * IPv4 and IPv6 packets that come from one of them or go to one of them, ARP and neighbour discovery about
 * them, and with at least one IPv4 address DHCP to get it. Everything else is dropped, VLAN tags included.
 */
#include "net/filter.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/buf.h"
#include "net/nft.h"
#include "net/tool.h"

#define TAGGED "ether type { 0x8100, 0x88a8 } drop\n" /* else rules would look behind the tag */

enum { MAC_BYTES = 6, V6_BYTES = 16 };

/* The next address of a list; false at its end, and with *ret_bad set at one that is none. */
static bool next_address(const char **list, int family, char text[INET6_ADDRSTRLEN],
                         unsigned char bytes[V6_BYTES], bool *ret_bad)
{
    size_t n;

    *list += strspn(*list, " ");
    n = strcspn(*list, " ");
    if (n == 0)
        return false;
    snprintf(text, INET6_ADDRSTRLEN, "%.*s", (int)n, *list);
    *ret_bad = n >= INET6_ADDRSTRLEN || inet_pton(family, text, bytes) != 1;
    *list += n;
    return !*ret_bad;
}

/* "a, b, c"; -EINVAL when one is no address. */
static int add_list(struct buf *b, const char *list, int family)
{
    unsigned char bytes[V6_BYTES];
    char text[INET6_ADDRSTRLEN];
    const char *comma = "";
    bool bad = false;

    for (; next_address(&list, family, text, bytes, &bad); comma = ", ")
        buf_printf(b, "%s%s", comma, text);
    return bad ? -EINVAL : 0;
}

/* The same as numbers, which is how nft compares what it has no name for. */
static void add_numbers(struct buf *b, const char *list)
{
    unsigned char bytes[V6_BYTES];
    char text[INET6_ADDRSTRLEN];
    const char *comma = "";
    bool bad = false;

    for (; next_address(&list, AF_INET6, text, bytes, &bad); comma = ", ") {
        buf_printf(b, "%s0x", comma);
        for (int i = 0; i < V6_BYTES; i++)
            buf_printf(b, "%02x", bytes[i]);
    }
}

/* The address that a NIC gives itself; "" for a MAC that is none. */
static void link_local(const char *mac, char text[INET6_ADDRSTRLEN])
{
    unsigned m[MAC_BYTES];

    text[0] = '\0';
    if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == MAC_BYTES)
        snprintf(text, INET6_ADDRSTRLEN, "fe80::%02x%02x:%02xff:fe%02x:%02x%02x", m[0] ^ 2, m[1], m[2], m[3],
                 m[4], m[5]);
}

/* ---- rules ---- */

static int add_ipv4(struct buf *from, struct buf *to, const char *list)
{
    CLEANUP_BUF struct buf v4 = {0};

    if (add_list(&v4, list, AF_INET) < 0)
        return -EINVAL;
    if (v4.len == 0)
        return 0;
    buf_printf(from, "arp saddr ip { %s } accept\n", buf_cstr(&v4));
    buf_printf(from, "arp saddr ip 0.0.0.0 arp daddr ip { %s } accept\n", buf_cstr(&v4)); /* is it taken? */
    buf_printf(from, "ip saddr { %s } accept\n", buf_cstr(&v4));
    buf_printf(from, "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept\n");
    buf_printf(to, "arp daddr ip { %s } accept\n", buf_cstr(&v4));
    buf_printf(to, "ip daddr { %s } accept\n", buf_cstr(&v4));
    buf_printf(to, "udp sport 67 udp dport 68 accept\n");
    return 0;
}

static int add_ipv6(struct buf *from, struct buf *to, const char *list, const char *mac)
{
    CLEANUP_BUF struct buf v6 = {0};
    char own[INET6_ADDRSTRLEN];

    if (add_list(&v6, list, AF_INET6) < 0)
        return -EINVAL;
    if (v6.len == 0)
        return 0;
    link_local(mac, own);
    if (!own[0])
        return -EINVAL;
    buf_printf(from,
               "ip6 saddr { ::, %s } icmpv6 type { nd-neighbor-solicit, nd-router-solicit, "
               "mld-listener-report, mld2-listener-report } accept\n",
               own);
    buf_printf(from, "icmpv6 type nd-neighbor-advert @th,64,128 { ");
    add_numbers(from, list);
    buf_printf(from, ", ");
    add_numbers(from, own);
    buf_printf(from, " } accept\nicmpv6 type { nd-neighbor-advert, nd-router-advert, nd-redirect } drop\n");
    buf_printf(from, "ip6 saddr { %s } accept\n", buf_cstr(&v6));
    buf_printf(to, "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n");
    buf_printf(to, "ip6 daddr { %s } accept\n", buf_cstr(&v6));
    return 0;
}

static bool is_mac(const char *mac)
{
    return mac && strlen(mac) == 3 * MAC_BYTES - 1 &&
           strspn(mac, "0123456789abcdefABCDEF:") == 3 * MAC_BYTES - 1;
}

/* What the two chains hold before the last "drop"; nothing for a NIC that is shut off. */
static int add_rules(struct buf *from, struct buf *to, const struct net_filter *f)
{
    int rc;

    if (f->mode == NET_DISABLED)
        return 0;
    if (!is_mac(f->mac))
        return -EINVAL;
    buf_printf(from, TAGGED "ether saddr != %s drop\narp saddr ether != %s drop\n", f->mac, f->mac);
    buf_printf(to, TAGGED);
    rc = add_ipv4(from, to, f->ipv4 ? f->ipv4 : "");
    return rc < 0 ? rc : add_ipv6(from, to, f->ipv6 ? f->ipv6 : "", f->mac);
}

static void add_chain(struct buf *b, const char *name, const char *hook, const char *match,
                      const char *ifname, const struct buf *rules)
{
    buf_printf(b, "chain %s {\n%sdrop\n}\n", name, rules->len ? buf_cstr((struct buf *)rules) : "");
    buf_printf(b, "chain %s_%s { type filter hook %s priority filter; %s \"%s\" jump %s; }\n", hook, name,
               hook, match, ifname, name);
}

int co_net_filter_set(const char *ifname, const struct net_filter *f, struct err *e)
{
    CLEANUP_BUF struct buf from = {0};
    CLEANUP_BUF struct buf to = {0};
    CLEANUP_BUF struct buf text = {0};
    int rc;

    if (f->mode == NET_UNLOCKED) {
        rc = net_filter_drop(ifname);
        return rc < 0 ? err_errno(e, rc, "filter of %s", ifname) : 0;
    }
    rc = add_rules(&from, &to, f);
    if (rc < 0)
        return err_errno(e, rc, "addresses of %s", ifname);
    buf_printf(&text, "table bridge xapid_%s {}\ndelete table bridge xapid_%s\ntable bridge xapid_%s {\n",
               ifname, ifname, ifname);
    add_chain(&text, "sent", "prerouting", "iifname", ifname, &from);
    add_chain(&text, "received", "postrouting", "oifname", ifname, &to);
    buf_printf(&text, "}\n");
    const char *argv[] = {"nft", buf_cstr(&text), NULL};
    return co_tool_run(argv, e);
}

int net_filter_drop(const char *ifname)
{
    char table[32];

    snprintf(table, sizeof table, "xapid_%.15s", ifname);
    return nft_table_exists(NFT_BRIDGE, table) ? nft_table_delete(NFT_BRIDGE, table) : 0;
}
