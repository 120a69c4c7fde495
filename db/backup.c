#include "db/backup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "db/check.h"
#include "db/file.h"
#include "db/reserve.h"
#include "db/store.h"
#include "lib/clock.h"

/* So many pages are copied at a time; in between others may have SQLite's locks. */
#define STEP_PAGES 256
#define BUSY_PAUSE_MS 20
#define BUSY_MAX 500

/* ---- one copy ---- */

static void close_sqlite(sqlite3 **sql)
{
    sqlite3_close(*sql);
}

static int run_backup(sqlite3_backup *b)
{
    int rc, busy = 0;

    while ((rc = sqlite3_backup_step(b, STEP_PAGES)) != SQLITE_DONE) {
        if (rc == SQLITE_OK)
            continue;
        if ((rc != SQLITE_BUSY && rc != SQLITE_LOCKED) || ++busy > BUSY_MAX)
            break;
        sqlite3_sleep(BUSY_PAUSE_MS);
    }
    return rc;
}

/* The read transaction holds on to one state of the database while others go on writing. The copy is no
 * write-ahead-log database, so that it is one file. */
static int copy_pages(const char *from, const char *to, struct err *e)
{
    CLEANUP_DB_FILE struct db_file source = DB_FILE_NONE;
    CLEANUP(close_sqlite) sqlite3 *copy = NULL;
    sqlite3_backup *b;
    int64_t unused;
    int rc;

    if (db_file_open(from, &source, e) < 0 || sql_exec(source.sql, sqlite3_mprintf("BEGIN"), e) < 0 ||
        sql_get_int(source.sql, "SELECT count(*) FROM sqlite_schema", &unused, e) < 0)
        return -1;
    if (sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(copy, DB_FILE_SMALL_CACHE "; PRAGMA synchronous = OFF", NULL, NULL, NULL) != SQLITE_OK ||
        !(b = sqlite3_backup_init(copy, "main", source.sql, "main")))
        return err_internal(e, "copying the database to %s: %s", to, sqlite3_errmsg(copy));
    rc = run_backup(b);
    if (sqlite3_backup_finish(b) != SQLITE_OK || rc != SQLITE_DONE ||
        sqlite3_exec(copy, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        return err_internal(e, "copying the database to %s: %s", to, sqlite3_errmsg(copy));
    return 0;
}

/* A copy under a name that it has only while it is made. */
static int make_copy(const char *from, const char *to, struct err *e)
{
    CLEANUP_FD int fd = -1;

    unlink(to);
    fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, -errno, "making %s", to);
    if (copy_pages(from, to, e) < 0 || db_check_whole(to, e) < 0)
        return -1;
    return fsync(fd) < 0 ? err_errno(e, -errno, "writing %s", to) : 0;
}

static int give_name(const char *temporary, const char *name, struct err *e)
{
    int r;

    if (rename(temporary, name) < 0)
        return err_errno(e, -errno, "naming %s", name);
    r = db_file_sync_folder(name);
    return r < 0 ? err_errno(e, r, "writing the folder of %s", name) : 0;
}

int backup_copy(const char *from, const char *to, struct err *e)
{
    CLEANUP_TALLOC char *temporary = talloc_asprintf(NULL, "%s.new", to);
    int r = make_copy(from, temporary, e);

    if (r == 0)
        r = give_name(temporary, to, e);
    if (r < 0)
        unlink(temporary);
    return r;
}

/* ---- the folder ---- */

static int is_backup(const struct dirent *entry)
{
    return fnmatch("xapid-*Z.db", entry->d_name, 0) == 0;
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*b)->d_name, (*a)->d_name);
}

struct listing {
    struct dirent **entries;
    int n;
};

static void listing_fini(struct listing *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->entries[i]);
    free(l->entries);
}

static const char *name_now(void *ctx)
{
    time_t now = (time_t)clock_wall();
    struct tm tm;
    char text[32];

    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    return talloc_asprintf(ctx, "xapid-%s.db", text);
}

/* Names of times to come are from before the clock was set back, so those copies are the oldest. */
static void put_future_last(struct listing *l)
{
    CLEANUP_TALLOC const char *now = name_now(NULL);
    int future = 0;

    while (future < l->n && strcmp(l->entries[future]->d_name, now) > 0)
        future++;
    for (; future > 0; future--) {
        struct dirent *first = l->entries[0];

        memmove(l->entries, l->entries + 1, (size_t)(l->n - 1) * sizeof first);
        l->entries[l->n - 1] = first;
    }
}

/* Newest first: names sort by time. A folder that is not there is empty. */
static struct listing list_backups(const char *folder)
{
    struct listing l = {0};

    l.n = scandir(folder, &l.entries, is_backup, newest_first);
    if (l.n < 0)
        l = (struct listing){0};
    put_future_last(&l);
    return l;
}

static char *path_of(void *ctx, const char *folder, const struct listing *l, int i)
{
    return talloc_asprintf(ctx, "%s/%s", folder, l->entries[i]->d_name);
}

static char *new_name(void *ctx, const char *folder)
{
    return talloc_asprintf(ctx, "%s/%s", folder, name_now(ctx));
}

static int generation_of(const char *path, int64_t *ret)
{
    CLEANUP_DB_FILE struct db_file f = DB_FILE_NONE;
    CLEANUP_ERR struct err ignored = {0};

    return db_file_open(path, &f, &ignored) < 0 ? -1 : schema_get_meta(f.sql, "generation", ret, &ignored);
}

static bool hold_the_same(const char *a, const char *b)
{
    int64_t x, y;

    return generation_of(a, &x) == 0 && generation_of(b, &y) == 0 && x == y;
}

static void drop_beyond(const char *folder, struct backup_bounds bounds)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP(listing_fini) struct listing l = list_backups(folder);
    uint64_t bytes = 0;

    for (int i = 0; i < l.n; i++) {
        const char *path = path_of(mem, folder, &l, i);
        struct stat st;

        if (stat(path, &st) == 0)
            bytes += (uint64_t)st.st_size;
        if (i > 0 && ((unsigned)i >= bounds.number || bytes > bounds.bytes))
            unlink(path);
    }
}

/* A copy must not be what fills the disk of the database. */
static int check_room(const char *database, const char *folder, struct err *e)
{
    struct statvfs fs;
    struct stat st;

    if (stat(database, &st) < 0 || statvfs(folder, &fs) < 0)
        return err_errno(e, -errno, "looking for room in %s", folder);
    if ((uint64_t)fs.f_bavail * fs.f_frsize > (uint64_t)st.st_size + 2 * RESERVE_BYTES)
        return 0;
    return err_errno(e, -ENOSPC, "another copy in %s", folder);
}

int backup_add(const char *database, const char *folder, struct backup_bounds bounds, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP(listing_fini) struct listing l = list_backups(folder);
    const char *newest = l.n > 0 ? path_of(mem, folder, &l, 0) : NULL;

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return err_errno(e, -errno, "making the folder %s", folder);
    if (newest && hold_the_same(newest, database) && db_check_whole(newest, e) == 0)
        return utimensat(AT_FDCWD, newest, NULL, 0) < 0 ? err_errno(e, -errno, "touching %s", newest) : 0;
    err_clear(e);
    if (check_room(database, folder, e) < 0 || backup_copy(database, new_name(mem, folder), e) < 0)
        return -1;
    drop_beyond(folder, bounds);
    return 0;
}

int64_t backup_newest_time(const char *folder)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP(listing_fini) struct listing l = list_backups(folder);
    struct stat st;

    return l.n > 0 && stat(path_of(mem, folder, &l, 0), &st) == 0 ? st.st_mtime : 0;
}

char *backup_newest_good(void *ctx, const char *folder)
{
    CLEANUP(listing_fini) struct listing l = list_backups(folder);

    for (int i = 0; i < l.n; i++) {
        CLEANUP_ERR struct err ignored = {0};
        char *path = path_of(ctx, folder, &l, i);

        if (db_check_whole(path, &ignored) == 0)
            return path;
        talloc_free(path);
    }
    return NULL;
}
