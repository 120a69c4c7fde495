#include "xapid/pool/passwords.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/setters.gen.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "rpc/client.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peers.h"

enum { MAX_FILE = 1 << 20, MAX_REPLY = 4096 };

static void name_file(struct buf *out, const struct xapid *x)
{
    buf_printf(out, "%s/passwd", x->options.state_dir);
}

/* ---- sending ---- */

/* 0 with the whole of it, or -errno. */
static int read_file(const struct xapid *x, struct buf *ret)
{
    CLEANUP_BUF struct buf path = {0};
    name_file(&path, x);
    CLEANUP_FD int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 && ret->len <= MAX_FILE) {
        n = read(fd, buf_reserve(ret, 4096), 4096);
        ret->len += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? -errno : n > 0 ? -EFBIG : 0;
}

static int co_send(struct xapid *x, const char *address, const char *uuid, const struct buf *text,
                   struct err *e)
{
    CLEANUP_BUF struct buf reply = {0};
    struct rpc_client *c = peers_client(x, address, uuid);
    unsigned status = 0;
    int r = co_http_exchange(c, "POST", "/peer/passwords", NULL, text->data, text->len, MAX_REPLY, &status,
                             &reply, e);

    rpc_client_free(c);
    return r < 0 ? -1 : status == 200 ? 0 : err_internal(e, "host %s answers with status %u", uuid, status);
}

void co_passwords_send(struct xapid *x, struct ref ref)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_ERR struct err e = {0};
    const struct host *host = db_host(x->db, ref);
    int r = host ? read_file(x, &text) : -ENOENT;

    if (r == -ENOENT)
        return;
    if (r < 0)
        log_warning("reading the passwords: %s", strerror(-r));
    else if (co_send(x, talloc_strdup(mem, host->address), talloc_strdup(mem, host->uuid), &text, &e) < 0)
        log_warning("a member does not get the passwords: %s", err_text(mem, &e));
}

struct list {
    void *mem;
    const struct set *hosts;
};

static void add(const struct leader_follower *f, void *arg)
{
    struct list *l = arg;

    l->hosts = set_with_ref(l->mem, l->hosts, f->host);
}

void co_passwords_send_all(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct list l = {.mem = mem};

    leader_foreach(add, &l);
    for (uint32_t i = 0; i < set_count(l.hosts); i++)
        co_passwords_send(x, l.hosts->v[i].r);
}

/* ---- taking ---- */

void co_passwords_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    CLEANUP_BUF struct buf path = {0};

    if (!peers_admit(x, r, reply))
        return;
    name_file(&path, x);
    bool keeps_file = access(buf_cstr(&path), F_OK) == 0;
    int rc = keeps_file && x->membership.member ? fd_replace_file(buf_cstr(&path), r->body, r->body_len) : 0;
    if (rc < 0)
        http_reply_error(r, reply, 500, strerror(-rc));
}
