#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>
#include "db/restore.h"
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "xapid/host_backup/archive.h"
#include "xapid/host_backup/host_backup.h"
#include "xapid/state_dir.h"

enum { CONFIG_MAX = 1 << 20 };

/* Each step can be repeated: what is done is no longer in `from`. */
struct finish {
    const char *state_dir, *from, *aside, *config;
    void *mem;
};

static char *in(struct finish *f, const char *folder, const char *name)
{
    return talloc_asprintf(f->mem, "%s/%s", folder, name);
}

/* The name comes from a file that stays to the end, so that it is the same when this is repeated. */
static int name_aside(struct finish *f, const struct stat *manifest)
{
    struct tm tm;
    char text[32];

    gmtime_r(&manifest->st_mtime, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%S", &tm);
    f->aside = talloc_asprintf(f->mem, "%s/before-host-restore-%s.%09ld", f->state_dir, text,
                               manifest->st_mtim.tv_nsec);
    return mkdir(f->aside, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int move_part(struct finish *f, const char *name)
{
    const char *from = in(f, f->from, name), *to = in(f, f->state_dir, name), *aside = in(f, f->aside, name);

    if (access(from, F_OK) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (access(aside, F_OK) < 0 && rename(to, aside) < 0 && errno != ENOENT)
        return -errno;
    return rename(from, to) < 0 ? -errno : 0;
}

static int take_database(struct finish *f, struct err *e)
{
    const char *from = in(f, f->from, ARCHIVE_DATABASE);

    return access(from, F_OK) < 0 ? 0 : restore_prepare_take(in(f, f->state_dir, "xapid.db"), from, 0, e);
}

/* ---- the configuration file ---- */

static int read_text(const char *path, struct buf *out)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf_reserve(out, CONFIG_MAX), CONFIG_MAX);

    out->len = n > 0 ? (size_t)n : 0;
    return n < 0 ? -errno : 0;
}

static int replace_config(struct finish *f, const struct buf *text)
{
    CLEANUP_BUF struct buf old = {0};
    const char *aside = in(f, f->aside, ARCHIVE_CONFIG);
    int r = read_text(f->config, &old);

    if (r == 0 && old.len == text->len && memcmp(old.data, text->data, old.len) == 0)
        return 0;
    if (r == 0 && access(aside, F_OK) < 0)
        r = fd_replace_file(aside, old.data, old.len);
    return r < 0 && r != -ENOENT ? r : fd_replace_file(f->config, text->data, text->len);
}

/* It may lie where nobody may write, or the daemon has none: the daemon is to start all the same. */
static int take_config(struct finish *f)
{
    CLEANUP_BUF struct buf text = {0};
    const char *from = in(f, f->from, ARCHIVE_CONFIG);
    const char *beside = in(f, f->aside, ARCHIVE_CONFIG ".restored");

    if (access(from, F_OK) < 0)
        return 0;
    int r = read_text(from, &text);
    if (r == 0)
        r = f->config ? replace_config(f, &text) : -ENOENT;
    if (r == 0)
        return unlink(from) < 0 ? -errno : 0;
    log_warning("the configuration file from the backup is not put in place (%s); it is %s", strerror(-r),
                beside);
    return rename(from, beside) < 0 ? -errno : 0;
}

/* ---- all of it ---- */

static int run(struct finish *f, struct err *e)
{
    const char *manifest = in(f, f->from, ARCHIVE_MANIFEST);
    struct stat st;
    int r = stat(manifest, &st) < 0 ? -errno : name_aside(f, &st);

    if (r == 0 && take_database(f, e) < 0)
        return -1;
    for (const char *const *part = archive_parts; r == 0 && *part; part++)
        r = move_part(f, *part);
    if (r == 0)
        r = take_config(f);
    CLEANUP_FD int state = open(f->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0)
        r = state < 0 || syncfs(state) < 0 ? -errno : fd_remove_tree(f->from);
    return r < 0 ? err_errno(e, r, "putting %s in place", f->from) : 0;
}

int host_restore_finish(const struct xapid_options *o, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct finish f = {.state_dir = o->state_dir,
                       .from = talloc_asprintf(mem, "%s/" ARCHIVE_READY, o->state_dir),
                       .config = o->config,
                       .mem = mem};

    if (access(f.from, F_OK) < 0)
        return 0;
    if (state_dir_lock(o->state_dir, e) < 0 || run(&f, e) < 0)
        return -1;
    log_info("the host from the backup was put in place; what was there is kept in %s", f.aside);
    return 1;
}
