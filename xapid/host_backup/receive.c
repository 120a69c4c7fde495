#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <talloc.h>
#include <unistd.h>
#include "db/reserve.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "xapid/host_backup/archive.h"
#include "xapid/transfer/tar_stream.h"

enum { PIECE = 256 * 1024, FILES_MAX = 20000, DEPTH_MAX = 3 };
static const int64_t small_file = 1 << 20, large_file = (int64_t)1 << 33, all_files = (int64_t)1 << 34;

/* ---- names ---- */

/* Does the path begin with this name, as a whole? */
static bool is_below(const char *path, const char *name)
{
    size_t n = strlen(name);

    return strncmp(path, name, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool is_part(const char *path)
{
    static const char *const files[] = {ARCHIVE_MANIFEST, ARCHIVE_DATABASE, ARCHIVE_CONFIG, "passwd",
                                        "management"};
    static const char *const folders[] = {"tls", "pool", "blobs"};

    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strcmp(path, files[i]) == 0)
            return true;
    for (unsigned i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (is_below(path, folders[i]))
            return true;
    return false;
}

/* Plain components only, none of them hidden, so that a path stays in its folder. */
static bool is_plain(const char *path)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    unsigned depth = 1;

    for (const char *p = path; *p; p++)
        if ((p == path || p[-1] == '/') && (*p == '.' || *p == '/'))
            return false;
        else
            depth += *p == '/';
    return *path && strspn(path, safe) == strlen(path) && depth <= DEPTH_MAX;
}

static int64_t longest(const char *path)
{
    return strcmp(path, ARCHIVE_DATABASE) == 0 || is_below(path, "blobs") ? large_file : small_file;
}

static int check_entry(const struct tar_entry *n, struct err *e)
{
    CLEANUP_BUF struct buf why = {0};

    if (n->type != '0' && n->type != '5')
        buf_printf(&why, "'%s' in the archive is neither a file nor a folder", n->name);
    else if (!is_plain(n->name) || !is_part(n->name))
        buf_printf(&why, "'%s' is nothing that a host's backup holds", n->name);
    else if (n->size < 0 || n->size > longest(n->name))
        buf_printf(&why, "'%s' in the archive is too large", n->name);
    return why.len > 0 ? err_restore_script_failed(e, buf_cstr(&why)) : 0;
}

/* ---- files, on a worker ---- */

struct piece {
    const char *path; /* to be made; NULL: it is open */
    int fd;
    const char *bytes;
    size_t n;
};

/* The folders above a file of the archive, which begins at `from` in path. */
static int make_folders(char *path, size_t from)
{
    for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_piece(void *arg)
{
    struct piece *p = arg;

    if (p->path)
        p->fd = open(p->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return p->fd < 0 ? -errno : fd_write_all(p->fd, p->bytes, p->n);
}

static int finish_file(void *arg)
{
    const int *fd = arg;

    return fsync(*fd) < 0 ? -errno : 0;
}

/* ---- receiving ---- */

static int failed(int r, const char *name, struct err *e)
{
    CLEANUP_BUF struct buf why = {0};

    if (r == -EEXIST)
        buf_printf(&why, "'%s' is in the archive twice", name);
    else
        buf_printf(&why, "'%s' cannot be written: %s", name, strerror(-r));
    return err_restore_script_failed(e, buf_cstr(&why));
}

static int co_write_content(struct tar_stream *s, struct piece *p, char *bytes, struct err *e)
{
    ssize_t n;

    p->bytes = bytes;
    do {
        n = co_tar_read(s, bytes, PIECE, e);
        p->n = n > 0 ? (size_t)n : 0;
        int r = n < 0 ? 0 : co_run_worker(write_piece, p, "writing a host's backup");
        p->path = NULL;
        if (r < 0)
            return failed(r, s->entry.name, e);
    } while (n > 0);
    int r = n < 0 ? 0 : co_run_worker(finish_file, &p->fd, "writing a host's backup");
    return n < 0 ? -1 : r < 0 ? failed(r, s->entry.name, e) : 0;
}

/* What comes must not be what fills the disk of the database. */
static bool has_room(const char *folder, int64_t bytes)
{
    struct statvfs fs;

    return statvfs(folder, &fs) == 0 && (int64_t)(fs.f_bavail * fs.f_frsize) > bytes + 2 * RESERVE_BYTES;
}

static int co_take_file(struct tar_stream *s, const char *folder, struct err *e)
{
    if (!has_room(folder, s->entry.size))
        return failed(-ENOSPC, s->entry.name, e);
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    char *path = talloc_asprintf(mem, "%s/%s", folder, s->entry.name);
    struct piece p = {.path = path, .fd = -1};
    int r = make_folders(path, strlen(folder) + 1);

    if (r < 0)
        return failed(r, s->entry.name, e);
    r = co_write_content(s, &p, bytes, e);
    if (p.fd >= 0)
        close(p.fd);
    return r;
}

int co_archive_receive(struct transfer *t, const char *folder, struct err *e)
{
    struct tar_stream s = {.transfer = t, .every_entry = true};
    int64_t bytes = 0;
    unsigned n = 0;
    int r;

    if (mkdir(folder, 0700) < 0)
        return err_errno(e, -errno, "making %s", folder);
    while ((r = co_tar_next(&s, e)) > 0) {
        size_t length = strlen(s.entry.name);
        if (s.entry.type == '5' && length > 0 && s.entry.name[length - 1] == '/')
            s.entry.name[length - 1] = '\0';
        bytes += s.entry.size;
        if (check_entry(&s.entry, e) < 0)
            return -1;
        if (++n > FILES_MAX || bytes > all_files)
            return err_restore_script_failed(e, "the archive is too large");
        if (s.entry.type == '0' && co_take_file(&s, folder, e) < 0)
            return -1;
    }
    return r == 0 && !s.complete ? err_import_error_premature_eof(e) : r;
}
