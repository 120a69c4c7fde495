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

/* ---- devices ---- */

static const char *const device_names[] = {[SIM_DISK] = "disk", [SIM_MEDIUM] = "medium", [SIM_NIC] = "nic"};

/* The word that holds the device's bit; NULL when there is no such place. */
static uint64_t *bits_of(struct sim_record *r, enum sim_device kind, unsigned number)
{
    if (kind == SIM_NIC)
        return number < 64 ? &r->devices : NULL;
    if (number >= SIM_DISKS)
        return NULL;
    return kind == SIM_DISK ? &r->disks[number / 64] : &r->media[number / 64];
}

bool sim_record_has(const struct sim_record *r, enum sim_device kind, unsigned number)
{
    const uint64_t *bits = bits_of((struct sim_record *)r, kind, number);

    return bits && *bits >> number % 64 & 1;
}

void sim_record_set(struct sim_record *r, enum sim_device kind, unsigned number, bool there)
{
    uint64_t *bits = bits_of(r, kind, number);

    if (bits && there)
        *bits |= (uint64_t)1 << number % 64;
    else if (bits)
        *bits &= ~((uint64_t)1 << number % 64);
}

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

static const char passage_letters[][3] = {
    [HV_PASSAGE_ARRIVING] = "Aa", [HV_PASSAGE_LEAVING] = "Ll", [HV_PASSAGE_LEFT] = "Gg"};

static void set_state(struct sim_record *r, char state)
{
    r->passage = HV_PASSAGE_NONE;
    for (unsigned p = HV_PASSAGE_ARRIVING; p <= HV_PASSAGE_LEFT; p++)
        if (state && strchr(passage_letters[p], state))
            r->passage = p;
    r->stays_paused = r->passage && state == passage_letters[r->passage][1];
    r->held = state == 'H';
    r->crashed = state == 'C';
    r->paused = state == 'P' || r->crashed || r->held || r->passage;
}

static char state_of(const struct sim_record *r)
{
    if (r->passage)
        return passage_letters[r->passage][r->stays_paused];
    return r->held ? 'H' : r->crashed ? 'C' : r->paused ? 'P' : 'R';
}

static bool parse_record(const char *line, struct sim_record *record)
{
    char state;
    int vnc, acpi;

    *record = (struct sim_record){0};
    if (sscanf(line, "+ %36s %" SCNd64 " %" SCNd64 " %c %d %d %" SCNx64, record->uuid, &record->domid,
               &record->start_time, &state, &vnc, &acpi, &record->devices) != 7)
        return false;
    set_state(record, state);
    record->vnc = vnc == 1;
    record->acpi = acpi == 1;
    return uuid_is_valid(record->uuid);
}

static void read_device(struct reading *r, const char *line)
{
    char uuid[UUID_TEXT_SIZE], name[8];
    struct sim_record *known;
    unsigned number;
    int there;

    if (sscanf(line, "* %36s %7s %u %d", uuid, name, &number, &there) != 4 || !(known = find(r, uuid)))
        return;
    for (unsigned kind = SIM_DISK; kind <= SIM_NIC; kind++)
        if (strcmp(name, device_names[kind]) == 0)
            sim_record_set(known, kind, number, there == 1);
}

static void read_line(struct reading *r, const char *line)
{
    struct sim_record record, *known;
    char state, uuid[UUID_TEXT_SIZE];
    int64_t memory;

    if (line[0] == '+') {
        if (parse_record(line, &record))
            add_record(r, &record);
    } else if (sscanf(line, "= %36s %c", uuid, &state) == 2) {
        known = find(r, uuid);
        if (known)
            set_state(known, state);
    } else if (line[0] == '*') {
        read_device(r, line);
    } else if (sscanf(line, "m %36s %" SCNd64, uuid, &memory) == 2) {
        known = find(r, uuid);
        if (known)
            known->memory = memory;
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

static void format_device(struct buf *b, const char *uuid, enum sim_device kind, unsigned number, bool there)
{
    buf_printf(b, "* %s %s %u %d\n", uuid, device_names[kind], number, there);
}

static void format_memory(struct buf *b, const struct sim_record *r)
{
    buf_printf(b, "m %s %" PRId64 "\n", r->uuid, r->memory);
}

static void format_record(struct buf *b, const struct sim_record *r)
{
    buf_printf(b, "+ %s %" PRId64 " %" PRId64 " %c %d %d %" PRIx64 "\n", r->uuid, r->domid, r->start_time,
               state_of(r), r->vnc, r->acpi, r->devices);
    format_memory(b, r);
    for (unsigned kind = SIM_DISK; kind <= SIM_MEDIUM; kind++)
        for (unsigned n = 0; n < SIM_DISKS; n++)
            if (sim_record_has(r, kind, n))
                format_device(b, r->uuid, kind, n, true);
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

int sim_store_set_state(struct sim_store *s, const struct sim_record *r)
{
    CLEANUP_BUF struct buf line = {0};

    buf_printf(&line, "= %s %c\n", r->uuid, state_of(r));
    return append(s->fd, &line);
}

int sim_store_set_memory(struct sim_store *s, const struct sim_record *r)
{
    CLEANUP_BUF struct buf line = {0};

    format_memory(&line, r);
    return append(s->fd, &line);
}

int sim_store_set_device(struct sim_store *s, const char *uuid, enum sim_device kind, unsigned number,
                         bool there)
{
    CLEANUP_BUF struct buf line = {0};

    format_device(&line, uuid, kind, number, there);
    return append(s->fd, &line);
}

int sim_store_remove(struct sim_store *s, const char *uuid)
{
    CLEANUP_BUF struct buf line = {0};

    buf_printf(&line, "- %s\n", uuid);
    return append(s->fd, &line);
}
