#include "xapid/pool/shared_files.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "rpc/client.h"
#include "xapid/certificate/store.h"
#include "xapid/certificate/trusted.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peers.h"

enum { MAX_FILE = 1 << 20, MAX_REPLY = 4096 };
#define PASSWORDS "passwd"

/* One at a time sends, so that what is old never comes after what is new. */
static bool at_work;
static struct fiber_cond done = FIBER_COND_INIT(done);

static void name_passwords(struct buf *out, const struct xapid *x)
{
    buf_printf(out, "%s/" PASSWORDS, x->options.state_dir);
}

/* ---- gathering ---- */

/* What there is to send: {"passwd": text, "ca": {name: text}, …}. */
struct gathering {
    const struct xapid *x;
    json_t *all;
};

/* 0 with the whole of it, or -errno. */
static int read_passwords(const struct xapid *x, struct buf *ret)
{
    CLEANUP_BUF struct buf path = {0};
    name_passwords(&path, x);
    CLEANUP_FD int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 && ret->len <= MAX_FILE) {
        n = read(fd, buf_reserve(ret, 4096), 4096);
        ret->len += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? -errno : n > 0 ? -EFBIG : 0;
}

static int gather_passwords(struct gathering *g)
{
    CLEANUP_BUF struct buf text = {0};
    int r = read_passwords(g->x, &text);

    if (r == 0)
        json_object_set_new(g->all, PASSWORDS, json_stringn(text.data ? text.data : "", text.len));
    return r == -ENOENT ? 0 : r;
}

/* A file that cannot be read is no text that members could use. */
static int gather_folder(struct gathering *g, const char *kind)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *folder = trusted_folder(mem, g->x, kind);
    const struct set *names;
    json_t *files = json_object();
    int r = store_names(mem, folder, &names);

    for (uint32_t i = 0; r == 0 && i < set_count(names); i++) {
        const char *text = store_read(mem, folder, names->v[i].s);
        if (text)
            json_object_set_new(files, names->v[i].s, json_string(text));
    }
    json_object_set_new(g->all, kind, files);
    return r;
}

static int gather(void *arg)
{
    struct gathering *g = arg;
    int r = gather_passwords(g);

    for (const char *const *kind = trusted_kinds; r == 0 && *kind; kind++)
        r = gather_folder(g, *kind);
    return r;
}

/* ---- sending ---- */

static int co_post(struct xapid *x, const char *address, const char *uuid, const char *text, struct err *e)
{
    CLEANUP_BUF struct buf reply = {0};
    struct rpc_client *c = peers_client(x, address, uuid);
    unsigned status = 0;
    int r =
        co_http_exchange(c, "POST", "/peer/files", NULL, text, strlen(text), MAX_REPLY, &status, &reply, e);

    rpc_client_free(c);
    return r < 0 ? -1 : status == 200 ? 0 : err_internal(e, "host %s answers with status %u", uuid, status);
}

static int co_send(struct xapid *x, const char *address, const char *uuid, struct err *e)
{
    struct gathering g = {x, json_object()};
    int r = co_run_worker(gather, &g, "the pool's files to be read");
    char *text = r == 0 ? json_dumps(g.all, JSON_COMPACT) : NULL;

    json_decref(g.all);
    r = r < 0   ? err_errno(e, r, "reading the pool's files")
        : !text ? err_internal(e, "the pool's files are no text")
                : co_post(x, address, uuid, text, e);
    free(text);
    return r;
}

void co_shared_files_send(struct xapid *x, struct ref ref)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const struct host *host;

    while (at_work)
        if (co_cond_wait(&done, CLOCK_NEVER, "other files to be sent") < 0)
            return;
    host = db_host(x->db, ref);
    at_work = true;
    if (host && co_send(x, talloc_strdup(mem, host->address), talloc_strdup(mem, host->uuid), &e) < 0)
        log_warning("a member does not get the pool's files: %s", err_text(mem, &e));
    at_work = false;
    fiber_cond_broadcast(&done);
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

void co_shared_files_send_all(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct list l = {.mem = mem};

    leader_foreach(add, &l);
    for (uint32_t i = 0; i < set_count(l.hosts); i++)
        co_shared_files_send(x, l.hosts->v[i].r);
}

/* ---- taking ---- */

struct taking {
    const struct xapid *x;
    json_t *all;
};

/* A member that keeps no such file leaves passwords to PAM. */
static int take_passwords(const struct taking *t)
{
    CLEANUP_BUF struct buf path = {0};
    const json_t *text = json_object_get(t->all, PASSWORDS);

    name_passwords(&path, t->x);
    if (!json_is_string(text) || access(buf_cstr(&path), F_OK) < 0)
        return 0;
    return fd_replace_file(buf_cstr(&path), json_string_value(text), json_string_length(text));
}

static int put_files(const char *folder, json_t *files)
{
    const char *name;
    json_t *text;
    int r = 0;

    json_object_foreach (files, name, text)
        if (r == 0 && json_is_string(text) && store_name_is_valid(name))
            r = store_replace(folder, name, json_string_value(text));
    return r;
}

static int take_folder(const struct taking *t, const char *kind)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *folder = trusted_folder(mem, t->x, kind);
    json_t *files = json_object_get(t->all, kind);
    const struct set *names;

    if (!json_is_object(files))
        return 0;
    int r = put_files(folder, files);
    if (r == 0)
        r = store_names(mem, folder, &names);
    for (uint32_t i = 0; r == 0 && i < set_count(names); i++)
        if (!json_object_get(files, names->v[i].s))
            r = store_remove(folder, names->v[i].s);
    return r;
}

static int take(void *arg)
{
    const struct taking *t = arg;
    int r = take_passwords(t);

    for (const char *const *kind = trusted_kinds; r == 0 && *kind; kind++)
        r = take_folder(t, *kind);
    return r;
}

void co_shared_files_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;

    if (!peers_admit(x, r, reply))
        return;
    struct taking t = {x, json_loadb(r->body, r->body_len, 0, NULL)};
    int rc = !json_is_object(t.all) ? -EINVAL
             : x->membership.member ? co_run_worker(take, &t, "the pool's files to be written")
                                    : 0;
    json_decref(t.all);
    if (rc < 0)
        http_reply_error(r, reply, 500, strerror(-rc));
}
