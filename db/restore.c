#include "db/restore.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "db/backup.h"
#include "db/check.h"
#include "db/file.h"
#include "db/store.h"

static void close_sqlite(sqlite3 **sql)
{
    sqlite3_close(*sql);
}

/* The highest generation that the database in path, if it can be read, may have handed out; else above. */
static int64_t highest_generation(const char *path, uint64_t above)
{
    CLEANUP_DB_FILE struct db_file f = DB_FILE_NONE;
    CLEANUP_ERR struct err ignored = {0};
    int64_t limit;

    if (db_file_open(path, &f, &ignored) < 0 ||
        schema_get_meta(f.sql, "generation_limit", &limit, &ignored) < 0 || limit < (int64_t)above)
        return (int64_t)above;
    return limit;
}

static int raise_generations(const char *path, int64_t above, struct err *e)
{
    CLEANUP(close_sqlite) sqlite3 *sql = NULL;

    if (sqlite3_open_v2(path, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(sql, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        return err_internal(e, "opening %s: %s", path, sqlite3_errmsg(sql));
    return sql_exec(sql,
                    sqlite3_mprintf("UPDATE meta SET value = max(value, %lld) WHERE key = 'generation_limit'",
                                    (long long)above),
                    e);
}

static int sync_file(const char *path)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int restore_prepare_take(const char *path, const char *from, uint64_t above, struct err *e)
{
    CLEANUP_TALLOC char *ready = talloc_asprintf(NULL, "%s.restore", path);
    int r;

    if (raise_generations(from, highest_generation(path, above), e) < 0 || db_check_whole(from, e) < 0)
        return -1;
    r = sync_file(from);
    if (r == 0 && rename(from, ready) < 0)
        r = -errno;
    if (r == 0)
        r = db_file_sync_folder(path);
    return r < 0 ? err_errno(e, r, "putting %s beside the database", from) : 0;
}

int restore_prepare(const char *path, const char *from, uint64_t above, struct err *e)
{
    CLEANUP_TALLOC char *copy = talloc_asprintf(NULL, "%s.restoring", path);

    if (db_check_whole(from, e) < 0 || backup_copy(from, copy, e) < 0)
        return -1;
    if (restore_prepare_take(path, copy, above, e) == 0)
        return 0;
    unlink(copy);
    return -1;
}

/* ---- a file of rows in memory ---- */

struct batch *restore_snapshot(struct db *db)
{
    struct batch *b = batch_new();

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        if (!model_classes[cls].stored || !model_classes[cls].persistent)
            continue;
        DB_FOREACH (db, cls, row)
            batch_add(b, BATCH_INSERT, row, &db->classes[cls].persistent);
    }
    b->generation = db->generation;
    return b;
}

static int write_rows(sqlite3 *sql, struct batch *snapshot, struct err *e)
{
    struct batch_list one = STAILQ_HEAD_INITIALIZER(one);
    struct statements statements = {0};
    char reason[STORE_REASON_SIZE];
    int r;

    STAILQ_INSERT_TAIL(&one, snapshot, link);
    if (schema_make(sql, e) < 0)
        return -1;
    if (statements_init(&statements, sql) < 0)
        return sql_error(sql, "preparing its statements", e);
    r = statements_write(&statements, &one, snapshot->generation, reason);
    statements_fini(&statements);
    return r < 0 ? err_internal(e, "writing the database: %s", reason) : 0;
}

int restore_write(const char *path, struct batch *snapshot, struct err *e)
{
    CLEANUP(close_sqlite) sqlite3 *sql = NULL;
    CLEANUP_FD int fd = -1;

    unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, -errno, "making %s", path);
    if (sqlite3_open_v2(path, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return err_internal(e, "making %s: %s", path, sqlite3_errmsg(sql));
    return write_rows(sql, snapshot, e);
}

/* ---- taking over ---- */

/* One more name for a file; repeated, it is there already. */
static int keep(const char *path, const char *as)
{
    return link(path, as) < 0 && errno != EEXIST && errno != ENOENT ? -errno : 0;
}

/* The name comes from the file that is ready, so that it is the same when this is repeated. */
static const char *name_aside(void *ctx, const char *path, const struct stat *ready)
{
    struct tm tm;
    char text[32];

    gmtime_r(&ready->st_mtime, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%S", &tm);
    return talloc_asprintf(ctx, "%s.before-restore-%s.%09ld", path, text, ready->st_mtim.tv_nsec);
}

int restore_finish(const char *path, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *ready = talloc_asprintf(mem, "%s.restore", path);
    const char *journal = talloc_asprintf(mem, "%s-wal", path), *aside;
    struct stat st;
    int r;

    if (stat(ready, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(e, -errno, "%s", ready);
    aside = name_aside(mem, path, &st);
    r = keep(path, aside);
    if (r == 0)
        r = keep(journal, talloc_asprintf(mem, "%s-wal", aside));
    if (r == 0)
        r = db_file_sync_folder(path);
    if (r == 0 && ((unlink(journal) < 0 && errno != ENOENT) || rename(ready, path) < 0))
        r = -errno;
    unlink(talloc_asprintf(mem, "%s-shm", path));
    if (r == 0)
        r = db_file_sync_folder(path);
    if (r < 0)
        return err_errno(e, r, "putting %s in the place of the database", ready);
    log_info("the database %s was put in place; the one from before is kept as %s", ready, aside);
    return 0;
}
