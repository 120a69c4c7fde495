#include "sm/changes.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "sm/fail.h"
#include "sm/qcow2.h"

enum { CHAIN_MAX = 256 };

/* The files of an image and what it is based on, uppermost first; all in one folder. */
struct chain {
    const char *path;
    unsigned n;
    char (*names)[QCOW2_BACKING_MAX + 1];
};

struct job {
    struct chain a, b;
};

/* The part of a path before its last name, slash included. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (int)(slash + 1 - path) : 0;
}

static int read_chain(struct chain *c)
{
    struct qcow2_info info;
    int folder = folder_length(c->path);

    snprintf(c->names[0], sizeof *c->names, "%s", c->path + folder);
    for (c->n = 1; c->n < CHAIN_MAX; c->n++) {
        CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%.*s%s", folder, c->path, c->names[c->n - 1]);
        int rc = qcow2_read_info(path, &info);
        if (rc < 0)
            return rc;
        if (!info.backing[0] || strchr(info.backing, '/'))
            return 0;
        memcpy(c->names[c->n], info.backing, sizeof info.backing);
    }
    return -ELOOP;
}

/* On a worker, since it reads files. */
static int read_chains(void *arg)
{
    struct job *j = arg;
    int rc = read_chain(&j->a);

    return rc < 0 ? rc : read_chain(&j->b);
}

/* How many layers of each lie above the first image that both have; all of them when there is none. */
static void count_layers(const struct chain *a, const struct chain *b, unsigned *ret_a, unsigned *ret_b)
{
    int n = folder_length(a->path);
    bool together = n == folder_length(b->path) && strncmp(a->path, b->path, (size_t)n) == 0;

    *ret_a = *ret_b = UINT_MAX;
    for (unsigned i = 0; i < a->n && together; i++)
        for (unsigned k = 0; k < b->n; k++)
            if (strcmp(a->names[i], b->names[k]) == 0) {
                *ret_a = i;
                *ret_b = k;
                return;
            }
}

/* The blocks in the uppermost layers; none has nothing. */
static int co_layers(const struct changes_side *s, unsigned shift, unsigned layers, struct disk_map *ret,
                     struct err *e)
{
    if (layers > 0)
        return co_disk_map_layers(s->disk, shift, layers, ret, e);
    *ret = (struct disk_map){.shift = shift, .n = (disk_size(s->disk) + (1 << shift) - 1) >> shift};
    ret->bits = mem_zalloc((size_t)ret->n / 8 + 1);
    return 0;
}

int co_disk_changes(const struct changes_side *of, const struct changes_side *from, unsigned shift,
                    struct disk_map *ret, struct err *e)
{
    struct job j = {.a.path = of->at->path, .b.path = from->at->path};
    struct disk_map other;
    unsigned mine, theirs;

    j.a.names = mem_zalloc(CHAIN_MAX * sizeof *j.a.names);
    j.b.names = mem_zalloc(CHAIN_MAX * sizeof *j.b.names);
    int rc = co_run_worker(read_chains, &j, "reading what images are based on");
    count_layers(&j.a, &j.b, &mine, &theirs);
    free(j.a.names);
    free(j.b.names);
    if (rc < 0)
        return sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, rc, "reading what images are based on");
    if (co_layers(of, shift, mine, ret, e) < 0)
        return -1;
    if (co_layers(from, shift, theirs, &other, e) < 0) {
        disk_map_free(ret);
        return -1;
    }
    disk_map_join(ret, &other);
    disk_map_free(&other);
    return 0;
}
