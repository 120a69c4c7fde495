#include "sm/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "sm/fail.h"
#include "sm/sm.h"

struct list_job {
    const char *path, *suffix;
    struct folder *folder;
};

struct space_job {
    const char *path;
    int64_t size, used;
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcasecmp(name + n - m, suffix) == 0;
}

/* Note one file; memory failure is reported like a failed read. */
static int add_entry(struct folder *f, const char *folder, const char *name, const struct stat *st)
{
    struct folder_entry *more = realloc(f->entries, (f->n + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    f->entries = more;

    struct folder_entry *e = &more[f->n];
    memset(e, 0, sizeof *e);
    e->name = strdup(name);
    if (!e->name)
        return -ENOMEM;
    f->n++;
    e->size = st->st_size;
    e->used = (int64_t)st->st_blocks * 512;
    e->readable = true;
    if (ends_with(name, ".qcow2")) {
        CLEANUP_FREE char *path = malloc(strlen(folder) + strlen(name) + 2);
        if (!path)
            return -ENOMEM;
        stpcpy(stpcpy(stpcpy(path, folder), "/"), name);
        e->readable = qcow2_read_info(path, &e->qcow2) == 0;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct folder_entry *)a)->name, ((const struct folder_entry *)b)->name);
}

/* The worker's part of co_folder_list. */
static int list_folder(void *arg)
{
    struct list_job *job = arg;
    DIR *dir = opendir(job->path);
    int rc = 0;

    if (!dir)
        return -errno;
    for (struct dirent *d; rc == 0 && (d = readdir(dir));) {
        struct stat st;
        if (d->d_name[0] == '.' || !ends_with(d->d_name, job->suffix))
            continue;
        if (fstatat(dirfd(dir), d->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            rc = add_entry(job->folder, job->path, d->d_name, &st);
    }
    closedir(dir);
    if (job->folder->n > 1)
        qsort(job->folder->entries, job->folder->n, sizeof *job->folder->entries, by_name);
    return rc;
}

static int read_space(void *arg)
{
    struct space_job *job = arg;
    struct statvfs vfs;

    if (statvfs(job->path, &vfs) < 0)
        return -errno;
    job->size = (int64_t)vfs.f_blocks * (int64_t)vfs.f_frsize;
    job->used = (int64_t)(vfs.f_blocks - vfs.f_bfree) * (int64_t)vfs.f_frsize;
    return 0;
}

/* List a folder on a worker, sorted by name. */
int co_folder_list(const char *path, const char *suffix, struct folder *ret)
{
    struct list_job job = {.path = path, .suffix = suffix, .folder = ret};

    *ret = (struct folder){0};
    return co_run_worker(list_folder, &job, "list %s", path);
}

void folder_free(struct folder *f)
{
    for (unsigned i = 0; i < f->n; i++)
        free(f->entries[i].name);
    free(f->entries);
    *f = (struct folder){0};
}

/* Ask the file system on a worker (a dead NFS server must not stop the loop). */
int co_folder_space(const char *path, int64_t *ret_size, int64_t *ret_used)
{
    struct space_job job = {.path = path};
    int rc = co_run_worker(read_space, &job, "statvfs %s", path);

    if (rc == 0) {
        *ret_size = job.size;
        *ret_used = job.used;
    }
    return rc;
}

/* The folder that a folder-based SR lives in. */
const char *folder_of_sr(const struct sm_sr *sr, struct err *e)
{
    const char *path = map_get(sr->device_config, "location");

    if (path && path[0] == '/')
        return path;
    sm_fail(e, path ? SM_FAIL_BAD_LOCATION : SM_FAIL_MISSING_LOCATION,
            "device-config:location must be an absolute path");
    return NULL;
}
