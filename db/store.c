/* Opening and closing: the database as a whole and the file behind it. */
#include "db/store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "db/feed.h"
#include "db/file.h"
#include "db/reserve.h"
#include "db/restore.h"
#include "lib/mem.h"

/* ---- the file ---- */

/* One process may have the file open. SQLite's own locks would keep out people who want to read it, too. */
static int lock_file(const char *path, struct err *e)
{
    CLEANUP_TALLOC char *name = talloc_asprintf(NULL, "%s.lock", path);
    int fd;

    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, -errno, "opening the database's lock %s", name);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno == EWOULDBLOCK)
        err_internal(e, "the database %s is in use by another process", path);
    else
        err_errno(e, -errno, "locking %s", name);
    close(fd);
    return -1;
}

static int configure(sqlite3 *sql, const char *path, struct err *e)
{
    static const char *const settings[] = {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                                           "PRAGMA foreign_keys = OFF",
                                           "PRAGMA cache_size = -512", /* KiB; all that is read is in rows */
                                           "PRAGMA journal_size_limit = 16777216"};

    sqlite3_extended_result_codes(sql, 1);
    sqlite3_busy_timeout(sql, 5000);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (sqlite3_exec(sql, settings[i], NULL, NULL, NULL) != SQLITE_OK)
            return err_internal(e, "the database %s: %s", path, sqlite3_errmsg(sql));
    }
    return 0;
}

static int open_sqlite(const char *path, int flags, sqlite3 **ret, struct err *e)
{
    int rc = sqlite3_open_v2(path, ret, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        return 0;
    return err_internal(e, "the database %s cannot be opened: %s", path, sqlite3_errmsg(*ret));
}

static int refuse_damaged(const char *path, const char *detail, struct err *e)
{
    return err_internal(
        e,
        "the database %s is damaged (%s): put a backup in its place, or save what can be saved "
        "with sqlite3 and .recover, then start again",
        path, detail);
}

/* Is it ours, and whole? */
static int check_file(sqlite3 *sql, const char *path, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    sqlite3_stmt *stmt = NULL;
    int64_t id = 0;
    int rc, r = 0;

    if (sql_get_int(sql, "PRAGMA application_id", &id, &ignored) < 0 && sqlite3_errcode(sql) == SQLITE_NOTADB)
        return err_internal(e, "%s is not a database: move it away, or put a backup in its place", path);
    if (!err_is_set(&ignored) && id != STORE_APPLICATION_ID)
        return err_internal(e, "%s is a database of another program", path);
    rc = sqlite3_prepare_v2(sql, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        r = refuse_damaged(path, sqlite3_errmsg(sql), e);
    else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        r = refuse_damaged(path, (const char *)sqlite3_column_text(stmt, 0), e);
    sqlite3_finalize(stmt);
    return r;
}

/* An empty database under another name first: a file that is there is always a whole one. */
static int make_file(const char *path, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *journal = talloc_asprintf(mem, "%s-wal", path), *name = talloc_asprintf(mem, "%s.new", path);
    sqlite3 *sql = NULL;
    int r, fd;

    if (access(journal, F_OK) == 0)
        return err_internal(e, "the database %s is missing, but its journal %s is there: put the file back",
                            path, journal);
    unlink(name);
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, -errno, "making the database %s", path);
    close(fd);
    r = open_sqlite(name, 0, &sql, e);
    if (r == 0)
        r = schema_make(sql, e);
    if (sqlite3_close(sql) != SQLITE_OK && r == 0)
        r = err_internal(e, "making the database %s", path);
    if (r == 0 && rename(name, path) < 0)
        r = err_errno(e, -errno, "naming the database %s", path);
    if (r == 0 && (r = db_file_sync_folder(path)) < 0)
        r = err_errno(e, r, "writing the folder of %s", path);
    return r;
}

/* Make the file if there is none; refuse one that lost everything. */
static int ensure_file(const char *path, struct err *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT ? make_file(path, e) : err_errno(e, -errno, "the database %s", path);
    if (!S_ISREG(st.st_mode))
        return err_internal(e, "the database %s is not a file", path);
    if (st.st_size == 0)
        return refuse_damaged(path, "it is empty; remove it to begin with an empty database", e);
    if (access(path, R_OK | W_OK) < 0)
        return err_errno(e, -errno, "no permission for the database %s", path);
    return 0;
}

static int open_file(struct store *s, struct db *db, struct err *e)
{
    s->lock_fd = lock_file(s->path, e);
    if (s->lock_fd < 0 || restore_finish(s->path, e) < 0 || ensure_file(s->path, e) < 0)
        return -1;
    if (open_sqlite(s->path, 0, &s->sql, e) < 0 || check_file(s->sql, s->path, e) < 0 ||
        configure(s->sql, s->path, e) < 0 || schema_open(s->sql, s->path, db, e) < 0)
        return -1;
    if (statements_init(&s->statements, s->sql) < 0)
        return sql_error(s->sql, "preparing its statements", e);
    return 0;
}

int store_open(const char *path, struct db *db, struct err *e)
{
    struct store *s = mem_zalloc(sizeof *s);

    s->refs = 1;
    s->db = db;
    s->path = mem_strdup(path);
    s->lock_fd = -1;
    s->first_pending = UINT64_MAX;
    STAILQ_INIT(&s->queue);
    STAILQ_INIT(&s->flight);
    fiber_cond_init(&s->durable);
    s->flight_result = -EIO;
    committer_init(&s->committer, store_write_flight, s);
    db->store = s;
    if (open_file(s, db, e) < 0)
        return -1;
    s->short_of_space = reserve_make(s->path) < 0;
    if (s->short_of_space)
        log_warning("the disk of the database %s has too little room for bad days", s->path);
    return 0;
}

static void drop_batches(struct store *s)
{
    struct batch *b;

    STAILQ_CONCAT(&s->flight, &s->queue);
    while ((b = STAILQ_FIRST(&s->flight))) {
        STAILQ_REMOVE_HEAD(&s->flight, link);
        batch_free(b);
    }
}

void store_close(struct db *db)
{
    struct store *s = db->store;

    if (!s)
        return;
    s->closed = true;
    committer_stop(&s->committer);
    if (s->statements.sql)
        store_flush(s);
    drop_batches(s);
    statements_fini(&s->statements);
    sqlite3_close(s->sql);
    s->sql = NULL;
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->writer) {
        fiber_cancel(s->writer);
        fiber_unref(s->writer);
    }
    s->db = NULL;
    db->store = NULL;
    store_unref(s);
}

/* ---- the database ---- */

static void find_columns(struct db *db)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        const struct model_class *c = &model_classes[cls];

        if (c->n_fields > FIELD_MASK_WORDS * 64)
            db_die("%s has more fields than a mask holds", c->name);
        for (unsigned i = 0; i < c->n_fields; i++) {
            if (field_has_column(c, &c->fields[i]))
                field_mask_set(&db->classes[cls].persistent, i);
            if (field_has_cell(&c->fields[i]))
                field_mask_set(&db->classes[cls].cells, i);
        }
    }
}

int db_open(const char *path, struct db **ret, struct err *e)
{
    struct db *db = mem_zalloc(sizeof *db);

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        TAILQ_INIT(&db->classes[cls].rows);
    TAILQ_INIT(&db->by_modified);
    fiber_cond_init(&db->changed);
    find_columns(db);
    if (path && store_open(path, db, e) < 0) {
        db_close(db);
        return -1;
    }
    *ret = db;
    return 0;
}

static void free_rows(struct db *db, struct class_rows *rows)
{
    struct row *row;

    while ((row = TAILQ_FIRST(&rows->rows))) {
        TAILQ_REMOVE(&rows->rows, row, in_class);
        row_free(db, row);
    }
    if (rows->blank)
        row_free(db, rows->blank);
}

void db_close(struct db *db)
{
    if (db->txn.open)
        db_die("the database is closed inside a transaction");
    store_close(db);
    db_feed_stop(db);
    index_fini(&db->index);
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        free_rows(db, &db->classes[cls]);
    cell_pool_fini(&db->pool);
    tombstones_fini(&db->tombstones);
    txn_fini(&db->txn);
    free(db);
}

uint64_t db_generation(struct db *db)
{
    return db->generation;
}

struct fiber_cond *db_changed(struct db *db)
{
    return &db->changed;
}

void db_set_commit_hook(struct db *db, void (*hook)(struct txn *t, void *arg), void *arg)
{
    db->hook = hook;
    db->hook_arg = arg;
}
