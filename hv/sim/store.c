#include "hv/sim/store.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/mem.h"

struct sim_store {
    int fd;
};

/* ---- reading ---- */

/* The guests while the file is read: its last word on each counts. */
struct reading {
    struct sim_record *v;
    size_t n, cap;
};

static struct sim_record *find(struct reading *r, const char *uuid)
{
    for (size_t i = r->n; i > 0; i--) /* what changes is most often what came last */
        if (strcmp(r->v[i - 1].uuid, uuid) == 0)
            return &r->v[i - 1];
    return NULL;
}

static void add_record(struct reading *r, const struct sim_record *record)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->v = mem_resize(r->v, r->cap * sizeof *r->v);
    }
    r->v[r->n++] = *record;
}

static bool parse_record(const char *line, struct sim_record *record)
{
    char state;
    int vnc, acpi;

    *record = (struct sim_record){0};
    if (sscanf(line, "+ %36s %" SCNd64 " %" SCNd64 " %c %d %d %" SCNx64, record->uuid, &record->domid,
               &record->start_time, &state, &vnc, &acpi, &record->devices) != 7)
        return false;
    record->paused = state == 'P';
    record->vnc = vnc == 1;
    record->acpi = acpi == 1;
    return uuid_is_valid(record->uuid);
}

static void read_line(struct reading *r, const char *line)
{
    struct sim_record record, *known;
    char state, uuid[UUID_TEXT_SIZE];

    if (line[0] == '+') {
        if (parse_record(line, &record))
            add_record(r, &record);
    } else if (sscanf(line, "= %36s %c", uuid, &state) == 2) {
        known = find(r, uuid);
        if (known)
            known->paused = state == 'P';
    } else if (sscanf(line, "- %36s", uuid) == 1) {
        known = find(r, uuid);
        if (known)
            known->uuid[0] = '\0';
    }
}

/* A line without its newline was cut short by a crash, and does not count. */
static void read_all(int dir_fd, struct reading *r)
{
    int fd = openat(dir_fd, "sim", O_RDONLY | O_CLOEXEC);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    char line[256];

    while (f && fgets(line, sizeof line, f))
        if (strchr(line, '\n'))
            read_line(r, line);
    if (f)
        fclose(f);
}

/* ---- writing ---- */

static void format_record(struct buf *b, const struct sim_record *r)
{
    buf_printf(b, "+ %s %" PRId64 " %" PRId64 " %c %d %d %" PRIx64 "\n", r->uuid, r->domid, r->start_time,
               r->paused ? 'P' : 'R', r->vnc, r->acpi, r->devices);
}

static int append(int fd, const struct buf *b)
{
    ssize_t n = write(fd, b->data, b->len);

    if (n < 0)
        return -errno;
    return (size_t)n == b->len ? 0 : -ENOSPC;
}

/* Write the guests that are left as the new file; the descriptor to append to, or -errno. */
static int rewrite(int dir_fd, const struct reading *r)
{
    CLEANUP_FD int fd = openat(dir_fd, "sim.new", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    CLEANUP_BUF struct buf text = {0};
    int error;

    if (fd < 0)
        return -errno;
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].uuid[0])
            format_record(&text, &r->v[i]);
    error = append(fd, &text);
    if (error < 0)
        return error;
    return renameat(dir_fd, "sim.new", dir_fd, "sim") < 0 ? -errno : TAKE_FD(fd);
}

int sim_store_open(const char *state_dir, void (*add)(const struct sim_record *r, void *arg), void *arg,
                   struct sim_store **ret)
{
    CLEANUP_FD int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct reading r = {0};
    int fd;

    if (dir_fd < 0)
        return -errno;
    read_all(dir_fd, &r);
    fd = rewrite(dir_fd, &r);
    for (size_t i = 0; fd >= 0 && i < r.n; i++)
        if (r.v[i].uuid[0])
            add(&r.v[i], arg);
    free(r.v);
    if (fd < 0)
        return fd;
    *ret = mem_zalloc(sizeof **ret);
    (*ret)->fd = fd;
    return 0;
}

void sim_store_close(struct sim_store *s)
{
    close(s->fd);
    free(s);
}

int sim_store_add(struct sim_store *s, const struct sim_record *r)
{
    CLEANUP_BUF struct buf line = {0};

    format_record(&line, r);
    return append(s->fd, &line);
}

int sim_store_set_paused(struct sim_store *s, const char *uuid, bool paused)
{
    CLEANUP_BUF struct buf line = {0};

    buf_printf(&line, "= %s %c\n", uuid, paused ? 'P' : 'R');
    return append(s->fd, &line);
}

int sim_store_remove(struct sim_store *s, const char *uuid)
{
    CLEANUP_BUF struct buf line = {0};

    buf_printf(&line, "- %s\n", uuid);
    return append(s->fd, &line);
}
