#include "net/nft.h"
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/cleanup.h"

#define TABLES(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

/* A request for one table by name. */
struct get_table {
    struct nlmsghdr header;
    struct nfgenmsg family;
    struct nlattr attribute;
    char name[NFT_NAME_MAXLEN];
};

static bool get_table_init(struct get_table *g, const char *name)
{
    size_t size = strlen(name) + 1;

    if (size > sizeof g->name)
        return false;
    *g = (struct get_table){
        .header = {.nlmsg_type = TABLES(NFT_MSG_GETTABLE), .nlmsg_flags = NLM_F_REQUEST},
        .family = {.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0},
        .attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = NFTA_TABLE_NAME}};
    memcpy(g->name, name, size);
    g->header.nlmsg_len = (uint32_t)(offsetof(struct get_table, name) + NLA_ALIGN(size));
    return true;
}

bool nft_table_exists(const char *name)
{
    CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct get_table request;
    union {
        struct nlmsghdr header;
        char room[2048];
    } reply;
    ssize_t n;

    if (fd < 0 || !get_table_init(&request, name))
        return false;
    /* The kernel has answered by the time that send returns. */
    if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
        return false;
    n = recv(fd, &reply, sizeof reply, MSG_DONTWAIT);
    return n >= (ssize_t)sizeof reply.header && reply.header.nlmsg_type == TABLES(NFT_MSG_NEWTABLE);
}
