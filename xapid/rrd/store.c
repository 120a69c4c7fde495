#include "xapid/rrd/store.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"

static struct {
    struct rrd **all; /* by uuid */
    unsigned n, room;
} store;

/* ---- in memory ---- */

/* Where it stands or would stand. */
static unsigned place_of(const char *uuid, bool *ret_there)
{
    unsigned from = 0, to = store.n;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        int order = strcmp(store.all[middle]->uuid, uuid);
        if (order == 0) {
            *ret_there = true;
            return middle;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *ret_there = false;
    return from;
}

struct rrd *rrd_store_find(const char *uuid)
{
    bool there;
    unsigned at = place_of(uuid, &there);
    return there ? store.all[at] : NULL;
}

static struct rrd *insert(struct rrd *r)
{
    bool there;
    unsigned at = place_of(r->uuid, &there);
    if (store.n == store.room) {
        store.room = store.room ? store.room * 2 : 8;
        store.all = mem_resize(store.all, store.room * sizeof *store.all);
    }
    memmove(store.all + at + 1, store.all + at, (store.n - at) * sizeof *store.all);
    store.n++;
    return store.all[at] = r;
}

void rrd_store_drop(const char *uuid)
{
    bool there;
    unsigned at = place_of(uuid, &there);
    if (!there)
        return;
    rrd_free(store.all[at]);
    store.n--;
    memmove(store.all + at, store.all + at + 1, (store.n - at) * sizeof *store.all);
}

struct rrd *const *rrd_store_all(unsigned *ret_n)
{
    *ret_n = store.n;
    return store.all;
}

/* ---- files ---- */

struct file_job {
    struct buf path;
    struct rrd *rrd; /* what was read */
    char *bytes;     /* what is written */
    size_t n;
};

static struct file_job job_of(const struct xapid *x, const char *uuid)
{
    struct file_job j = {.rrd = NULL};
    buf_printf(&j.path, "%s/rrd/%s", x->options.state_dir, uuid);
    buf_cstr(&j.path);
    return j;
}

static int read_file(void *arg)
{
    struct file_job *j = arg;
    FILE *f = fopen(j->path.data, "re");
    if (!f)
        return -errno;
    j->rrd = rrd_read(f);
    if (j->rrd && fgetc(f) != EOF) {
        rrd_free(j->rrd);
        j->rrd = NULL;
    }
    fclose(f);
    return j->rrd ? 0 : -EBADMSG;
}

/* Whole or not at all for whoever reads it; what a power cut takes is history of half an hour. */
static int write_file(void *arg)
{
    const struct file_job *j = arg;
    CLEANUP_BUF struct buf beside = {0};
    buf_printf(&beside, "%s.new", j->path.data);
    FILE *f = fopen(buf_cstr(&beside), "we");
    if (!f)
        return -errno;
    bool good = fwrite(j->bytes, 1, j->n, f) == j->n;
    good = fclose(f) == 0 && good;
    if (good && rename(buf_cstr(&beside), j->path.data) == 0)
        return 0;
    int r = errno ? -errno : -EIO;
    unlink(buf_cstr(&beside));
    return r;
}

static bool serialise(const struct rrd *r, struct file_job *j)
{
    FILE *f = open_memstream(&j->bytes, &j->n);
    bool good = f && rrd_write(r, f);
    return f && fclose(f) == 0 && good;
}

int co_rrd_store_save(struct xapid *x, const struct rrd *r)
{
    struct file_job j = job_of(x, r->uuid);
    int rc = r->step == 0 ? 0 : serialise(r, &j) ? co_run_worker(write_file, &j, "saving history") : -ENOMEM;
    free(j.bytes);
    buf_free(&j.path);
    return rc;
}

struct rrd *co_rrd_store_load(struct xapid *x, const char *uuid)
{
    struct file_job j = job_of(x, uuid);
    int r = co_run_worker(read_file, &j, "reading history");
    if (r < 0 && r != -ENOENT)
        log_warning("the history of %s cannot be read: %s", uuid, strerror(-r));
    buf_free(&j.path);
    if (j.rrd && strcmp(j.rrd->uuid, uuid) == 0)
        return j.rrd;
    rrd_free(j.rrd);
    return NULL;
}

struct rrd *co_rrd_store_get(struct xapid *x, enum rrd_owner owner, const char *uuid)
{
    struct rrd *there = rrd_store_find(uuid);
    if (there)
        return there;
    struct rrd *loaded = co_rrd_store_load(x, uuid);
    there = rrd_store_find(uuid);
    if (there)
        rrd_free(loaded);
    if (!there && loaded && loaded->owner != owner) {
        rrd_free(loaded);
        loaded = NULL;
    }
    return there ? there : insert(loaded ? loaded : rrd_new(owner, uuid));
}

/* ---- files of what is gone ---- */

static int list_files(void *arg)
{
    struct file_job *j = arg;
    struct buf names = {0};
    if (mkdir(j->path.data, 0700) < 0 && errno != EEXIST)
        return -errno;
    DIR *d = opendir(j->path.data);
    const struct dirent *entry;
    if (!d)
        return -errno;
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.')
            buf_add(&names, entry->d_name, strlen(entry->d_name) + 1);
    closedir(d);
    j->bytes = names.data;
    j->n = names.len;
    return 0;
}

static bool is_known(struct xapid *x, const char *name)
{
    return strcmp(name, "now") == 0 || (uuid_is_valid(name) && db_get_by_uuid(x->db, CLASS_VM, name));
}

void co_rrd_store_sweep(struct xapid *x)
{
    struct file_job j = job_of(x, "");
    if (co_run_worker(list_files, &j, "looking through history") == 0 && j.n > 0)
        for (const char *name = j.bytes; name < j.bytes + j.n; name += strlen(name) + 1) {
            CLEANUP_BUF struct buf path = {0};
            buf_printf(&path, "%s%s", j.path.data, name);
            if (!is_known(x, name))
                unlink(buf_cstr(&path));
        }
    free(j.bytes);
    buf_free(&j.path);
}

/* ---- one file for all that is watched ---- */

#define NOW "now"
#define NOW_NEW "now.new"

struct many_job {
    const char *path;
    FILE *f;
    const struct file_job *piece;
    struct rrd **all;
    unsigned n;
};

static int open_new(void *arg)
{
    struct many_job *j = arg;
    j->f = fopen(j->path, "we");
    return j->f ? 0 : -errno;
}

static int append(void *arg)
{
    const struct many_job *j = arg;
    return fwrite(j->piece->bytes, 1, j->piece->n, j->f) == j->piece->n ? 0 : -EIO;
}

static int close_new(void *arg)
{
    const struct many_job *j = arg;
    return fclose(j->f) == 0 ? 0 : -errno;
}

/* The one after this uuid, since others come and go while it is written; NULL at the end. */
static const struct rrd *next_after(const char *uuid)
{
    bool there;
    unsigned at = place_of(uuid, &there) + there;
    return at < store.n ? store.all[at] : NULL;
}

static int co_append_all(struct many_job *j)
{
    char uuid[UUID_TEXT_SIZE] = "";
    const struct rrd *r;
    int rc = 0;
    while (rc == 0 && (r = next_after(uuid))) {
        struct file_job piece = {.rrd = NULL};
        memcpy(uuid, r->uuid, sizeof uuid);
        j->piece = &piece;
        if (r->step > 0)
            rc = serialise(r, &piece) ? co_run_worker(append, j, "saving history") : -ENOMEM;
        free(piece.bytes);
    }
    return rc;
}

int co_rrd_store_save_all(struct xapid *x)
{
    struct file_job to = job_of(x, NOW), new = job_of(x, NOW_NEW);
    struct many_job j = {.path = new.path.data};
    fiber_mask_cancel(); /* the file is closed in any case */
    int rc = co_run_worker(open_new, &j, "saving history");
    if (rc == 0) {
        rc = co_append_all(&j);
        int closed = co_run_worker(close_new, &j, "saving history");
        rc = rc < 0 ? rc : closed;
        if (rc == 0 && rename(new.path.data, to.path.data) < 0)
            rc = -errno;
    }
    fiber_unmask_cancel();
    buf_free(&to.path);
    buf_free(&new.path);
    return rc;
}

static int read_all(void *arg)
{
    struct many_job *j = arg;
    struct rrd *r;
    FILE *f = fopen(j->path, "re");
    if (!f)
        return -errno;
    int next;
    bool whole = true;
    while (whole && (next = fgetc(f)) != EOF) {
        ungetc(next, f);
        r = rrd_read(f);
        whole = r != NULL;
        if (!r)
            break;
        j->all = mem_resize(j->all, (j->n + 1) * sizeof *j->all);
        j->all[j->n++] = r;
    }
    fclose(f);
    return whole ? 0 : -EBADMSG;
}

void co_rrd_store_load_all(struct xapid *x)
{
    struct file_job from = job_of(x, NOW);
    struct many_job j = {.path = from.path.data};
    int rc = co_run_worker(read_all, &j, "reading history");
    if (rc < 0 && rc != -ENOENT)
        log_warning("history cannot be read: %s", strerror(-rc));
    for (unsigned i = 0; i < j.n; i++)
        if (rrd_store_find(j.all[i]->uuid))
            rrd_free(j.all[i]);
        else
            insert(j.all[i]);
    free(j.all);
    buf_free(&from.path);
}

/* The loop has ended: nothing waits any more. */
void rrd_store_end(struct xapid *x)
{
    struct file_job to = job_of(x, NOW), new = job_of(x, NOW_NEW);
    FILE *f = fopen(new.path.data, "we");
    bool good = f != NULL;
    while (store.n > 0) {
        struct rrd *r = store.all[--store.n];
        good = good && (r->step == 0 || rrd_write(r, f));
        rrd_free(r);
    }
    good = (!f || fclose(f) == 0) && good;
    if (!good || rename(new.path.data, to.path.data) < 0)
        log_warning("history cannot be saved: %s", strerror(errno));
    free(store.all);
    memset(&store, 0, sizeof store);
    buf_free(&to.path);
    buf_free(&new.path);
}
