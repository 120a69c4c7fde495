#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/errors.gen.h"
#include "xapid/host/elsewhere.h"
#include "xapid/host_backup/archive.h"
#include "xapid/host_backup/host_backup.h"
#include "xapid/pool/peers.h"

/* One at a time. */
static bool busy;

struct places {
    const char *state_dir, *received, *ready;
};

/* ---- on a worker ---- */

static int remove_received(void *arg)
{
    const struct places *p = arg;

    return fd_remove_tree(p->received);
}

/* One that was ready before gives way, and never do two or none of them lie there. */
static int make_ready(void *arg)
{
    const struct places *p = arg;
    CLEANUP_FD int state = open(p->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FD int folder = open(p->received, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (state < 0 || folder < 0 || syncfs(folder) < 0)
        return -errno;
    if (renameat2(AT_FDCWD, p->received, AT_FDCWD, p->ready, RENAME_EXCHANGE) < 0 &&
        (errno != ENOENT || rename(p->received, p->ready) < 0))
        return -errno;
    return fsync(state) < 0 ? -errno : 0;
}

/* ---- the request ---- */

/* A pool of one host may be put onto another machine. */
static int check_target(const struct xapid *x, const char *host, struct err *e)
{
    if (db_count(x->db, CLASS_HOST) > 1 && strcmp(host, x->membership.host) != 0)
        return err_restore_script_failed(
            e, "the archive is another host's, and this one is in a pool with others");
    return 0;
}

static int co_take(struct transfer *t, struct places *p, struct err *e)
{
    struct xapid *x = t->call.x;
    char host[UUID_TEXT_SIZE];

    if (co_archive_receive(t, p->received, e) < 0 || archive_check(p->received, host, e) < 0 ||
        archive_check_settings(&x->options, p->received, e) < 0 || check_target(x, host, e) < 0)
        return -1;
    int r = co_run_worker(make_ready, p, "making a host's backup ready");
    if (r < 0)
        return err_errno(e, r, "making the backup ready");
    log_info("what host %s was is put in place when xapid is started the next time", host);
    return 0;
}

static int co_restore(struct transfer *t, struct err *e)
{
    const char *state_dir = t->call.x->options.state_dir;
    struct places p = {.state_dir = state_dir,
                       .received = talloc_asprintf(t->call.mem, "%s/" ARCHIVE_RECEIVED, state_dir),
                       .ready = talloc_asprintf(t->call.mem, "%s/" ARCHIVE_READY, state_dir)};

    if (busy)
        return err_restore_script_failed(e, "a host is being restored already");
    busy = true;
    int r = co_run_worker(remove_received, &p, "removing a backup that was not finished");
    r = r < 0 ? err_errno(e, r, "removing %s", p.received) : co_take(t, &p, e);
    fiber_mask_cancel();
    (void)co_run_worker(remove_received, &p, "removing a backup");
    fiber_unmask_cancel();
    busy = false;
    return r;
}

/* A client without a task hears of a failure in the body. */
static void co_tell_in_body(struct transfer *t, const struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *text = err_text(t->request->mem, e);

    if (t->answered)
        (void)co_transfer_write(t, text, strlen(text), &ignored);
}

void co_host_restore_put(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    struct ref host;

    if (!co_transfer_begin(&t, r, s, arg, "http/put_host_restore", "Restore of a host"))
        return;
    /* Clients wait for the answer before they send anything. */
    if (elsewhere_host(&t, &host, &e) == 0 && co_transfer_answer(&t, NULL, -1, NULL, &e) == 0)
        (void)(ref_equal(host, t.call.x->host) ? co_restore(&t, &e) : co_elsewhere_take(&t, host, &e));
    if (err_is_set(&e))
        co_tell_in_body(&t, &e);
    co_transfer_end(&t, &e);
}

/* Whoever still sends does not hear what is wrong. */
static void co_let_finish(struct transfer *t)
{
    CLEANUP_ERR struct err ignored = {0};
    char scrap[1024];

    while (co_transfer_read(t, scrap, sizeof scrap, &ignored) > 0)
        ;
}

/* For the coordinator an empty body is the good one. */
void co_peer_host_restore_put(struct http_request *r, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;

    if (!co_peers_admit_stream(arg, r, s) || !peers_is_trusted(arg, r))
        return;
    (void)co_transfer_begin(&t, r, s, arg, NULL, NULL);
    if (co_transfer_answer(&t, NULL, -1, NULL, &e) == 0 && co_restore(&t, &e) < 0) {
        co_let_finish(&t);
        co_tell_in_body(&t, &e);
    }
    co_transfer_end(&t, &e);
}
