#include "db/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <talloc.h>
#include "lib/buf.h"
#include "lib/mem.h"

void db_file_close(struct db_file *f)
{
    sqlite3_close(f->sql);
    if (f->lock_fd >= 0)
        close(f->lock_fd);
}

/* False when somebody has the database open. */
static bool take_lock(const char *path, int *ret_fd)
{
    CLEANUP_TALLOC char *name = talloc_asprintf(NULL, "%s.lock", path);
    CLEANUP_FD int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
        return false;
    *ret_fd = TAKE_FD(fd);
    return true;
}

/* As SQLite wants it where parameters follow. */
static void add_uri(struct buf *out, const char *path)
{
    buf_add_lit(out, "file:");
    for (; *path; path++) {
        if (strchr("%?#", *path))
            buf_printf(out, "%%%02x", (unsigned char)*path);
        else
            buf_add_char(out, *path);
    }
}

/* A database at rest is one file: SQLite is told that nobody writes to it, else it would make a journal. */
static int open_sqlite(const char *path, struct db_file *f, struct err *e)
{
    CLEANUP_TALLOC char *journal = talloc_asprintf(NULL, "%s-wal", path);
    CLEANUP_BUF struct buf uri = {0};

    add_uri(&uri, path);
    if (take_lock(path, &f->lock_fd) && access(journal, F_OK) < 0)
        buf_add_lit(&uri, "?immutable=1");
    if (sqlite3_open_v2(buf_cstr(&uri), &f->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
                        NULL) != SQLITE_OK)
        return err_internal(e, "the database %s cannot be opened: %s", path, sqlite3_errmsg(f->sql));
    sqlite3_busy_timeout(f->sql, 5000);
    sqlite3_exec(f->sql, DB_FILE_SMALL_CACHE, NULL, NULL, NULL); /* without it, what is wrong is told later */
    return 0;
}

int db_file_open(const char *path, struct db_file *f, struct err *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_errno(e, -errno, "the database %s", path);
    if (!S_ISREG(st.st_mode))
        return err_internal(e, "the database %s is not a file", path);
    if (st.st_size == 0)
        return err_internal(e, "the database %s is damaged (it is empty)", path);
    return open_sqlite(path, f, e);
}

int db_file_sync_folder(const char *path)
{
    char *folder = mem_strdup(path), *slash = strrchr(folder, '/');
    CLEANUP_FD int fd = -1;
    int r = 0;

    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0 || fsync(fd) < 0)
        r = -errno;
    return r;
}
