#include "xapid/host/crash_dumps.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <time.h>
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"
#include "xapid/transfer/send_tar.h"

enum { NAME_DIGITS = 12 };

static const char *folder_of(void *ctx, const struct xapid *x)
{
    return talloc_asprintf(ctx, "%s/var/crash", x->options.machine_root ? x->options.machine_root : "");
}

/* When the crash was, or -1 for what is no such name. */
static int64_t time_of_name(const char *name)
{
    struct tm tm = {.tm_isdst = -1};

    for (unsigned i = 0; i < NAME_DIGITS; i++)
        if (!isdigit((unsigned char)name[i]))
            return -1;
    if (name[NAME_DIGITS] ||
        sscanf(name, "%4d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min) != 5)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return mktime(&tm);
}

/* The files of one; what lies deeper is none of kdump's. */
static int64_t size_of(const char *folder)
{
    DIR *dir = opendir(folder);
    int64_t bytes = 0;

    for (const struct dirent *d; dir && (d = readdir(dir));) {
        struct stat st;
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            bytes += st.st_size;
    }
    if (dir)
        closedir(dir);
    return bytes;
}

/* Its name there; NULL when it has gone. */
static const char *find_name(void *ctx, const char *folder, int64_t when)
{
    DIR *dir = opendir(folder);
    const char *name = NULL;

    for (const struct dirent *d; dir && !name && (d = readdir(dir));)
        if (time_of_name(d->d_name) == when)
            name = talloc_strdup(ctx, d->d_name);
    if (dir)
        closedir(dir);
    return name;
}

/* ---- records ---- */

static const struct host_crashdump *find_row(struct db *db, struct ref host, int64_t when)
{
    FOREACH_REFERRER (db, host_crashdump, d, HOST_CRASHDUMP, HOST, host)
        if (d->timestamp == when)
            return d;
    return NULL;
}

static void add_missing(struct txn *t, struct xapid *x, const char *folder)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    DIR *dir = opendir(folder);

    for (const struct dirent *d; dir && (d = readdir(dir));) {
        int64_t when = time_of_name(d->d_name);
        if (when < 0 || find_row(x->db, x->host, when))
            continue;
        const struct host_crashdump *row = host_crashdump_create(t);
        host_crashdump_set_host(t, row, x->host);
        host_crashdump_set_timestamp(t, row, when);
        host_crashdump_set_size(t, row, size_of(talloc_asprintf(mem, "%s/%s", folder, d->d_name)));
    }
    if (dir)
        closedir(dir);
}

void crash_dump_rows(struct txn *t, struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *rows = db_referrers(x->db, mem, CLASS_HOST_CRASHDUMP, HOST_CRASHDUMP_F_HOST, x->host);
    const char *folder = folder_of(mem, x);

    for (uint32_t i = 0; i < set_count(rows); i++) {
        const struct host_crashdump *d = db_host_crashdump(x->db, rows->v[i].r);
        if (!find_name(mem, folder, d->timestamp))
            db_delete(t, &d->row);
    }
    add_missing(t, x, folder);
}

/* ---- messages ---- */

/* Where it is: NULL with HANDLE_INVALID, HOST_OFFLINE for a dump of another host. */
static const char *name_of(struct call *c, struct ref ref, struct err *e)
{
    const struct host_crashdump *d = (const struct host_crashdump *)call_row(c, CLASS_HOST_CRASHDUMP, ref, e);

    if (!d || host_is_here(c, d->host, e) < 0)
        return NULL;
    const char *name = find_name(c->mem, folder_of(c->mem, c->x), d->timestamp);
    if (!name)
        err_internal(e, "the crash dump has gone from %s", folder_of(c->mem, c->x));
    return name;
}

static int remove_folder(void *arg)
{
    return fd_remove_tree(arg);
}

int co_host_crashdump_destroy(struct call *c, const struct host_crashdump_destroy_args *a, struct err *e)
{
    const char *name = name_of(c, a->self, e);

    if (!name && !err_is(e, "INTERNAL_ERROR"))
        return -1;
    err_clear(e); /* one that has gone is destroyed */
    char *path = name ? talloc_asprintf(c->mem, "%s/%s", folder_of(c->mem, c->x), name) : NULL;
    int r = path ? co_run_worker(remove_folder, path, "removing a crash dump") : 0;
    if (r < 0)
        return err_errno(e, r, "removing %s", path);
    const struct row *row = db_get(c->db, CLASS_HOST_CRASHDUMP, a->self);
    struct txn *t = db_begin(c->db);
    if (row)
        db_delete(t, row);
    return db_commit(t, e);
}

int co_host_crashdump_upload(struct call *c, const struct host_crashdump_upload_args *a, struct err *e)
{
    const char *name = name_of(c, a->self, e);
    const char *const argv[] = {"tar", "-c", "-C", folder_of(c->mem, c->x), name, NULL};

    return name ? co_upload_tar(c, argv, a->url, a->options, e) : -1;
}
