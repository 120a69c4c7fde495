#include "lib/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/mem.h"

int fd_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t done = write(fd, at, n);

        if (done < 0 && errno != EINTR)
            return -errno;
        at += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    CLEANUP_FREE char *copy = mem_strdup(path);
    CLEANUP_FD int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int fd_replace_file(const char *path, const void *bytes, size_t n)
{
    CLEANUP_BUF struct buf beside = {0};
    buf_printf(&beside, "%s.new", path);
    CLEANUP_FD int fd = open(buf_cstr(&beside), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : fd_write_all(fd, bytes, n);

    if (r == 0 && (fsync(fd) < 0 || rename(buf_cstr(&beside), path) < 0))
        r = -errno;
    return r < 0 ? r : sync_folder_of(path);
}

enum { TREE_FDS = 16 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int fd_remove_tree(const char *path)
{
    return nftw(path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT ? -errno : 0;
}
