#include "xapid/storage/notes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "lib/mem.h"

/* ---- which disks operations are at work on ---- */

struct worker {
    char vdi_uuid[UUID_TEXT_SIZE];
    LIST_ENTRY(worker) link;
};
static LIST_HEAD(, worker) workers = LIST_HEAD_INITIALIZER(workers);

static struct worker *find_worker(const char *vdi_uuid)
{
    struct worker *w;

    LIST_FOREACH (w, &workers, link)
        if (strcmp(w->vdi_uuid, vdi_uuid) == 0)
            return w;
    return NULL;
}

bool note_is_at_work(const char *vdi_uuid)
{
    return find_worker(vdi_uuid) != NULL;
}

static void begin_work(const char *vdi_uuid)
{
    struct worker *w = find_worker(vdi_uuid);

    if (w)
        return;
    w = mem_zalloc(sizeof *w);
    snprintf(w->vdi_uuid, sizeof w->vdi_uuid, "%s", vdi_uuid);
    LIST_INSERT_HEAD(&workers, w, link);
}

void note_give_up(const char *vdi_uuid)
{
    struct worker *w = find_worker(vdi_uuid);

    if (w)
        LIST_REMOVE(w, link);
    free(w);
}

/* ---- the notes ---- */

struct writing {
    char folder[512];
    const char *vdi_uuid, *sr_uuid;
};

static int sync_path(const char *path, int flags)
{
    CLEANUP_FD int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* On a worker, since it waits for the disk. */
static int write_note(void *arg)
{
    const struct writing *w = arg;
    char path[600];

    if (mkdir(w->folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof path, "%s/%s", w->folder, w->vdi_uuid);
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, w->sr_uuid, UUID_TEXT_SIZE - 1);
    if (n != UUID_TEXT_SIZE - 1)
        return n < 0 ? -errno : -EIO;
    return fsync(fd) < 0 ? -errno : sync_path(w->folder, O_RDONLY | O_DIRECTORY);
}

int co_note_write(const char *state_dir, const char *vdi_uuid, const char *sr_uuid)
{
    struct writing w = {.vdi_uuid = vdi_uuid, .sr_uuid = sr_uuid};

    if (snprintf(w.folder, sizeof w.folder, "%s/making", state_dir) >= (int)sizeof w.folder)
        return -ENAMETOOLONG;
    begin_work(vdi_uuid);
    return co_run_worker(write_note, &w, "note of disk %s", vdi_uuid);
}

void note_drop(const char *state_dir, const char *vdi_uuid)
{
    char path[600];

    note_give_up(vdi_uuid);
    if (snprintf(path, sizeof path, "%s/making/%s", state_dir, vdi_uuid) < (int)sizeof path)
        unlink(path);
}

/* A note that was not written whole is of a disk whose making never began: false. */
static bool read_note(const char *state_dir, const char *name, struct note *ret)
{
    char path[600];

    if (!uuid_is_valid(name) ||
        snprintf(path, sizeof path, "%s/making/%s", state_dir, name) >= (int)sizeof path)
        return false;
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    *ret = (struct note){{0}, {0}};
    if (fd < 0 || read(fd, ret->sr_uuid, UUID_TEXT_SIZE - 1) != UUID_TEXT_SIZE - 1)
        return false;
    memcpy(ret->vdi_uuid, name, UUID_TEXT_SIZE);
    return uuid_is_valid(ret->sr_uuid);
}

struct note *notes_read(void *ctx, const char *state_dir, unsigned *ret_n)
{
    char path[600];
    struct note *notes = talloc_array(ctx, struct note, 0), note;

    *ret_n = 0;
    snprintf(path, sizeof path, "%s/making", state_dir);
    DIR *dir = opendir(path);
    if (!dir)
        return notes;
    for (struct dirent *d; (d = readdir(dir));) {
        if (read_note(state_dir, d->d_name, &note)) {
            notes = talloc_realloc(ctx, notes, struct note, *ret_n + 1);
            notes[(*ret_n)++] = note;
        } else if (d->d_name[0] != '.') {
            note_drop(state_dir, d->d_name);
        }
    }
    closedir(dir);
    return notes;
}
