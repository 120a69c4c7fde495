#include "xapid/certificate/store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "model/member.h"

enum { NAME_LIMIT = 128, TEXT_LIMIT = 256 * 1024 };

bool store_name_is_valid(const char *name)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);
    return n > 4 && n <= NAME_LIMIT && name[0] != '.' && strspn(name, safe) == n &&
           strcmp(name + n - 4, ".pem") == 0;
}

struct job {
    const char *folder, *name, *text;
    void *ctx;
    const struct set *names;
};

static int open_folder(const char *folder)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -1;
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool write_whole(int fd, const char *text)
{
    return fd_write_all(fd, text, strlen(text)) == 0 && fsync(fd) == 0;
}

/* Under a name that is not valid until it is whole; a link refuses one that is there. */
static int write_file(int folder, const char *name, const char *text, bool replace)
{
    static const char half[] = ".new";
    unlinkat(folder, half, 0);
    CLEANUP_FD int fd = openat(folder, half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !write_whole(fd, text))
        return -errno;
    int r = (replace ? renameat(folder, half, folder, name) : linkat(folder, half, folder, name, 0)) < 0
                ? -errno
                : 0;
    unlinkat(folder, half, 0);
    return r == 0 && fsync(folder) < 0 ? -errno : r;
}

static int add_job(void *arg)
{
    struct job *j = arg;
    CLEANUP_FD int folder = open_folder(j->folder);
    return folder < 0 ? -errno : write_file(folder, j->name, j->text, false);
}

int store_replace(const char *folder_name, const char *name, const char *text)
{
    CLEANUP_TALLOC char *there = store_read(NULL, folder_name, name);
    if (there && strcmp(there, text) == 0)
        return 0;
    CLEANUP_FD int folder = open_folder(folder_name);
    return folder < 0 ? -errno : write_file(folder, name, text, true);
}

int store_remove(const char *folder_name, const char *name)
{
    CLEANUP_FD int folder = open_folder(folder_name);
    return folder < 0 || unlinkat(folder, name, 0) < 0 || fsync(folder) < 0 ? -errno : 0;
}

static int remove_job(void *arg)
{
    struct job *j = arg;
    return store_remove(j->folder, j->name);
}

int store_names(void *ctx, const char *folder, const struct set **ret)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    *ret = NULL;
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while ((entry = readdir(dir)))
        if (store_name_is_valid(entry->d_name))
            *ret = set_with_string(ctx, *ret, talloc_strdup(ctx, entry->d_name));
    closedir(dir);
    return 0;
}

static int names_job(void *arg)
{
    struct job *j = arg;
    return store_names(j->ctx, j->folder, &j->names);
}

char *store_read(void *ctx, const char *folder, const char *name)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", folder, name);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd >= 0 ? talloc_zero_size(ctx, TEXT_LIMIT + 1) : NULL;
    ssize_t n = text ? read(fd, text, TEXT_LIMIT + 1) : -1;
    if (n >= 0 && n <= TEXT_LIMIT)
        return text;
    if (n > TEXT_LIMIT)
        errno = EFBIG;
    talloc_free(text);
    return NULL;
}

int co_store_add(const char *folder, const char *name, const char *text)
{
    return co_run_worker(add_job, &(struct job){.folder = folder, .name = name, .text = text},
                         "certificate %s to be written", name);
}

int co_store_remove(const char *folder, const char *name)
{
    return co_run_worker(remove_job, &(struct job){.folder = folder, .name = name},
                         "certificate %s to be removed", name);
}

/* The names are put on a context of the job's own: others use the caller's meanwhile. */
int co_store_names(void *ctx, const char *folder, const struct set **ret)
{
    struct job j = {.folder = folder, .ctx = talloc_new(NULL)};
    int r = co_run_worker(names_job, &j, "the names of certificates");
    talloc_steal(ctx, j.ctx);
    *ret = j.names;
    return r;
}
