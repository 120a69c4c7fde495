#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <talloc.h>
#include "db/restore.h"
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/errors.gen.h"
#include "xapid/check_db.h"
#include "xapid/pool_db/dump.h"
#include "xapid/pool_db/xmldb.h"
#include "xapid/server.h"
#include "xapid/transfer/transfer.h"

enum { PIECE = 64 * 1024, TOLD_MAX = 20 };
static const int64_t longest_body = (int64_t)1 << 32;

/* The database that the body becomes. */
struct incoming {
    struct transfer *transfer;
    struct db *db;
};

/* One at a time. */
static bool busy;

/* ---- receiving ---- */

static int co_read_body(struct incoming *in, struct dump_reader *reader, struct err *e)
{
    char *bytes = talloc_size(in->transfer->request->mem, PIECE);
    ssize_t n;
    while ((n = co_transfer_read(in->transfer, bytes, PIECE, e)) > 0)
        if (dump_reader_feed(reader, bytes, (size_t)n, e) < 0)
            return -1;
    return n < 0 ? -1 : dump_reader_end(reader, e);
}

static int co_receive(struct incoming *in, struct err *e)
{
    if (db_open(NULL, &in->db, e) < 0)
        return -1;
    struct dump_reader *reader = dump_reader_new(in->db);
    int r = co_read_body(in, reader, e);
    dump_reader_free(reader);
    return r;
}

/* ---- is it one to go on with? ---- */

static void tell(const char *problem, void *arg)
{
    unsigned *n = arg;
    if (++*n <= TOLD_MAX)
        log_warning("the database to be restored: %s", problem);
}

/* What a start puts right is told only; it needs a pool, and this host in it. A pool of one host may be put
 * onto another machine. */
static int check(const struct incoming *in, struct err *e)
{
    unsigned n = 0;
    const struct host *own = db_host(in->transfer->call.db, in->transfer->call.x->host);
    check_db_rows(in->db, tell, &n);
    if (db_count(in->db, CLASS_POOL) != 1)
        return err_internal(e, "the database in XML has %u pools", db_count(in->db, CLASS_POOL));
    DB_FOREACH_POOL (in->db, pool)
        if (!db_host(in->db, pool->master))
            return err_internal(e, "the database in XML has a pool without a master");
    if (db_count(in->db, CLASS_HOST) > 1 && !db_get_by_uuid(in->db, CLASS_HOST, own->uuid))
        return err_restore_target_mgmt_if_not_in_backup(e);
    return 0;
}

/* ---- taking over ---- */

struct job {
    const char *path, *upload;
    struct batch *rows;
    uint64_t above;
    struct err error;
};

/* On a worker. */
static int write_upload(void *arg)
{
    struct job *job = arg;
    return restore_write(job->upload, job->rows, &job->error);
}

static int make_ready(void *arg)
{
    struct job *job = arg;
    return restore_prepare_take(job->path, job->upload, job->above, &job->error);
}

static int co_run(struct job *job, int (*fn)(void *arg), const char *what, struct err *e)
{
    int r = co_run_worker(fn, job, "%s", what);
    err_move(e, &job->error);
    return r < 0 && !err_is_set(e) ? err_errno(e, r, "%s", what) : r;
}

/* From the moment it is made ready on nothing else is acknowledged that the restored database would not have.
 */
static int co_take_over(struct xapid *x, struct job *job, struct err *e)
{
    if (co_run(job, write_upload, "writing the restored database", e) < 0)
        return -1;
    x->restarting = true;
    job->above = db_generation(x->db);
    x->restarting = co_run(job, make_ready, "making the restored database ready", e) == 0;
    return x->restarting ? 0 : -1;
}

static int co_restore(struct incoming *in, bool dry_run, struct err *e)
{
    void *mem = in->transfer->request->mem;
    struct xapid *x = in->transfer->call.x;
    struct job job = {.path = talloc_asprintf(mem, "%s/xapid.db", x->options.state_dir),
                      .upload = talloc_asprintf(mem, "%s/xapid.db.upload", x->options.state_dir)};
    if (co_receive(in, e) < 0 || check(in, e) < 0)
        return -1;
    if (dry_run)
        return 0;
    job.rows = restore_snapshot(in->db);
    int r = co_take_over(x, &job, e);
    batch_free(job.rows);
    if (r < 0)
        unlink(job.upload);
    return r;
}

/* ---- the request ---- */

static int check_length(const struct transfer *t, struct err *e)
{
    if (http_header(t->request, "transfer-encoding") || t->body_left == TRANSFER_UNKNOWN)
        return err_internal(e, "a database is taken with its content-length only");
    return t->body_left > longest_body ? err_internal(e, "a database of more than 4 GiB is not taken") : 0;
}

/* A client without a task hears of a failure in the body. */
static void co_tell_in_body(struct transfer *t, const struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *text = err_text(t->request->mem, e);
    if (t->answered)
        (void)co_transfer_write(t, text, strlen(text), &ignored);
}

static int co_put(struct transfer *t, struct err *e)
{
    struct incoming in = {.transfer = t};
    if (check_length(t, e) < 0)
        return -1;
    if (busy || t->call.x->restarting)
        return err_internal(e, "a database is being restored already");
    busy = true;
    /* Clients wait for this before they send anything. */
    int r = co_transfer_answer(t, NULL, -1, NULL, e);
    if (r == 0)
        r = co_restore(&in, transfer_flag(t, "dry_run"), e);
    if (in.db)
        db_close(in.db);
    busy = false;
    return r;
}

void co_xmldb_put(struct http_request *r, struct http_stream *s, void *x)
{
    CLEANUP_ERR struct err e = {0};
    struct transfer t;
    if (!co_transfer_begin(&t, r, s, x, "http/put_pool_xml_db_sync", "Restore of the pool's database"))
        return;
    int rc = co_put(&t, &e);
    if (rc < 0 && err_is_set(&e))
        co_tell_in_body(&t, &e);
    bool restart = rc == 0 && t.call.x->restarting;
    co_transfer_end(&t, &e);
    if (restart)
        kill(getpid(), SIGUSR2); /* see xapid/start.c */
}
