#include "pool/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "lib/fault.h"
#include "lib/fd.h"

#define FOLDER "pool"
#define NEXT_FOLDER "pool.new" /* also the old one, once the two have changed places */

static int open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* ---- reading ---- */

static char *read_text(void *ctx, int folder, const char *name)
{
    CLEANUP_FD int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd >= 0 ? talloc_zero_size(ctx, POOL_FILE_MAX + 1) : NULL;
    ssize_t n = text ? read(fd, text, POOL_FILE_MAX + 1) : -1;
    if (n >= 0 && n <= POOL_FILE_MAX)
        return talloc_realloc(ctx, text, char, (unsigned)n + 1);
    if (n > POOL_FILE_MAX)
        errno = EFBIG;
    talloc_free(text);
    return NULL;
}

char *pool_folder_read(void *ctx, const char *state_dir, const char *name)
{
    CLEANUP_FD int state = open_folder(AT_FDCWD, state_dir);
    CLEANUP_FD int folder = state < 0 ? -1 : open_folder(state, FOLDER);
    return folder < 0 ? NULL : read_text(ctx, folder, name);
}

/* ---- replacing ---- */

static int write_text(int folder, const char *name, const char *text)
{
    CLEANUP_FD int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, text, strlen(text));
    return r == 0 && fsync(fd) < 0 ? -errno : r;
}

static int write_file(int folder, int old_folder, const struct pool_file *f)
{
    CLEANUP_TALLOC char *kept = NULL;
    const char *text = f->text;
    if (f->link)
        return symlinkat(f->link, folder, f->name) < 0 ? -errno : 0;
    if (!text && old_folder >= 0) {
        text = kept = read_text(NULL, old_folder, f->name);
        if (!text && errno != ENOENT)
            return -errno;
    }
    return text ? write_text(folder, f->name, text) : 0;
}

static int write_files(int state, int folder, const struct pool_file *files)
{
    CLEANUP_FD int old = open_folder(state, FOLDER);
    int r = 0;
    for (const struct pool_file *f = files; r == 0 && f->name; f++)
        r = write_file(folder, old, f);
    return r == 0 && fsync(folder) < 0 ? -errno : r;
}

static int put_in_place(int state)
{
    if (fault_point(FAULT_STORAGE, "the pool's folder") < 0)
        return -EIO;
    int r = renameat2(state, NEXT_FOLDER, state, FOLDER, RENAME_EXCHANGE);
    if (r < 0 && errno == ENOENT)
        r = renameat(state, NEXT_FOLDER, state, FOLDER);
    return r < 0 || fsync(state) < 0 ? -errno : 0;
}

/* It holds files only. */
static void remove_next(int state)
{
    int fd = open_folder(state, NEXT_FOLDER);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    if (!dir)
        return;
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    unlinkat(state, NEXT_FOLDER, AT_REMOVEDIR);
}

int pool_folder_replace(const char *state_dir, const struct pool_file *files)
{
    CLEANUP_FD int state = open_folder(AT_FDCWD, state_dir);
    if (state < 0)
        return state;
    remove_next(state);
    CLEANUP_FD int folder = mkdirat(state, NEXT_FOLDER, 0700) < 0 ? -1 : open_folder(state, NEXT_FOLDER);
    int r = folder < 0 ? -errno : write_files(state, folder, files);
    if (r == 0)
        r = put_in_place(state);
    remove_next(state);
    return r;
}

void pool_folder_sweep(const char *state_dir)
{
    CLEANUP_FD int state = open_folder(AT_FDCWD, state_dir);
    if (state >= 0)
        remove_next(state);
}
