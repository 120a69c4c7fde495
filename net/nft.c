#include "net/nft.h"
#include <arpa/inet.h>
#include <errno.h>
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

/* A message about one table by name. */
struct about_table {
    struct nlmsghdr header;
    struct nfgenmsg family;
    struct nlattr attribute;
    char name[NFT_NAME_MAXLEN];
};

static bool about_table_init(struct about_table *t, enum nft_family family, const char *name,
                             uint16_t message, uint16_t flags)
{
    size_t size = strlen(name) + 1;

    if (size > sizeof t->name)
        return false;
    *t = (struct about_table){
        .header = {.nlmsg_type = TABLES(message), .nlmsg_flags = NLM_F_REQUEST | flags},
        .family = {.nfgen_family = family == NFT_BRIDGE ? NFPROTO_BRIDGE : NFPROTO_IPV4,
                   .version = NFNETLINK_V0},
        .attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = NFTA_TABLE_NAME}};
    memcpy(t->name, name, size);
    t->header.nlmsg_len = (uint32_t)(offsetof(struct about_table, name) + NLA_ALIGN(size));
    return true;
}

union reply {
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } message;
    char room[2048];
};

/* Send what is ready in iov, and read the first reply: the kernel has answered by the time that send returns.
 * Bytes read, or -errno. */
static ssize_t exchange(struct iovec *iov, size_t n, union reply *reply)
{
    CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t got;

    if (fd < 0 || sendmsg(fd, &m, 0) < 0)
        return -errno;
    got = recv(fd, reply, sizeof *reply, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

bool nft_table_exists(enum nft_family family, const char *name)
{
    struct about_table request;
    union reply reply;

    if (!about_table_init(&request, family, name, NFT_MSG_GETTABLE, 0))
        return false;
    ssize_t n = exchange(&(struct iovec){&request, request.header.nlmsg_len}, 1, &reply);
    return n >= (ssize_t)sizeof reply.message.header &&
           reply.message.header.nlmsg_type == TABLES(NFT_MSG_NEWTABLE);
}

/* Changes are made in batches. */
struct batch_mark {
    struct nlmsghdr header;
    struct nfgenmsg family;
};

static struct batch_mark batch_mark(uint16_t type)
{
    return (struct batch_mark){
        .header = {.nlmsg_len = sizeof(struct batch_mark), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST},
        .family = {.version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)}};
}

int nft_table_delete(enum nft_family family, const char *name)
{
    struct batch_mark begin = batch_mark(NFNL_MSG_BATCH_BEGIN), end = batch_mark(NFNL_MSG_BATCH_END);
    struct about_table request;
    union reply reply;

    if (!about_table_init(&request, family, name, NFT_MSG_DELTABLE, NLM_F_ACK))
        return -EINVAL;
    struct iovec iov[] = {{&begin, sizeof begin}, {&request, request.header.nlmsg_len}, {&end, sizeof end}};
    ssize_t n = exchange(iov, 3, &reply);
    if (n < 0)
        return (int)n;
    if (n < (ssize_t)sizeof reply.message || reply.message.header.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return reply.message.error.error;
}
