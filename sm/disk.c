#include "sm/disk.h"
#include <errno.h>
#include <ev.h>
#include <libnbd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "sm/fail.h"

enum { OPEN_MS = 60 * 1000, COMMAND_MS = 10 * 60 * 1000 };
/* One question about what is allocated; the protocol's lengths have 32 bits. */
static const int64_t extent_question = 1 << 30;

struct disk {
    struct nbd_handle *nbd;
    pid_t server;
    int64_t size;
    int64_t cookie; /* of the command under way; 0: none */
    unsigned flags;
    struct disk_map *map; /* being filled by extents as they arrive */
    int64_t mapped;       /* bytes of the disk that they have told of */
    unsigned layers;      /* that count; 0: all, by whether they read as zeros */
    void (*co_after)(void *arg);
    void *after_arg;
};

/* ---- waiting ---- */

/* Let libnbd do what it can once the socket is ready. 0 or -errno. */
static int co_step(struct disk *d, int64_t deadline, const char *what)
{
    unsigned direction = nbd_aio_get_direction(d->nbd);
    int events = (direction & LIBNBD_AIO_DIRECTION_READ ? EV_READ : 0) |
                 (direction & LIBNBD_AIO_DIRECTION_WRITE ? EV_WRITE : 0);
    int ready =
        co_wait_fd(nbd_aio_get_fd(d->nbd), events, deadline, "qemu-nbd %d to %s", (int)d->server, what);
    if (ready < 0)
        return ready;
    int r = ready & EV_READ ? nbd_aio_notify_read(d->nbd) : nbd_aio_notify_write(d->nbd);
    return r < 0 ? -(nbd_get_errno() ? nbd_get_errno() : EIO) : 0;
}

static int fail(struct err *e, int rc, const char *what)
{
    return sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, rc, what);
}

/* libnbd's own words for a command that it refused. */
static int fail_nbd(struct err *e)
{
    int number = nbd_get_errno();

    if (number == ENOSPC)
        return sm_fail_errno(e, SM_FAIL_NO_SPACE, -ENOSPC, "qemu-nbd");
    return sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "%s", nbd_get_error() ? nbd_get_error() : "qemu-nbd failed");
}

int co_disk_wait(struct disk *d, struct err *e)
{
    int64_t deadline = clock_in_ms(COMMAND_MS);
    int done, rc;

    if (d->cookie == 0)
        return 0;
    while ((done = nbd_aio_command_completed(d->nbd, (uint64_t)d->cookie)) == 0)
        if ((rc = co_step(d, deadline, "answer")) < 0)
            return fail(e, rc, "qemu-nbd");
    d->cookie = 0;
    return done < 0 ? fail_nbd(e) : 0;
}

static int begin(struct disk *d, int64_t cookie, struct err *e)
{
    if (cookie <= 0)
        return fail_nbd(e);
    d->cookie = cookie;
    return 0;
}

/* ---- opening and closing ---- */

/* A socket that listens with a connection to it already made. Its name is there for this slice only, in a
 * folder that nobody else can enter. */
static int connected_pair(int *ret_listening, int *ret_connected)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/xapid-nbd-XXXXXX";
    CLEANUP_FD int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP_FD int connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listening < 0 || connected < 0 || !mkdtemp(folder))
        return -errno;
    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", folder);
    int rc = 0;
    if (bind(listening, (struct sockaddr *)&a, sizeof a) < 0 || listen(listening, 1) < 0 ||
        connect(connected, (struct sockaddr *)&a, sizeof a) < 0)
        rc = -errno;
    unlink(a.sun_path);
    rmdir(folder);
    if (rc < 0)
        return rc;
    *ret_listening = TAKE_FD(listening);
    *ret_connected = TAKE_FD(connected);
    return 0;
}

/* What the server is asked about blocks: whether they read as zeros, or which image of the chain they are in.
 */
static const char *map_context(unsigned flags)
{
    return flags & DISK_DEPTHS ? "qemu:allocation-depth" : LIBNBD_CONTEXT_BASE_ALLOCATION;
}

/* Start qemu-nbd on a socket that it inherits as systemd would hand it over; only itself knows its pid. */
static pid_t start_server(const struct sm_attachment *a, unsigned flags, int listening)
{
    const char *argv[] = {"/bin/sh",
                          "-c",
                          "LISTEN_FDS=1 LISTEN_PID=$$ exec qemu-nbd \"$@\"",
                          "sh",
                          "--format",
                          a->format,
                          "--discard=unmap",
                          "--detect-zeroes=off",
                          flags & DISK_WRITE    ? "--cache=writeback"
                          : flags & DISK_DEPTHS ? "-rA"
                                                : "-r",
                          "--",
                          a->path,
                          NULL};

    return proc_spawn_fds(argv, (int[]){-1, STDERR_FILENO, STDERR_FILENO, listening}, 4);
}

static int co_handshake(struct disk *d)
{
    int64_t deadline = clock_in_ms(OPEN_MS);
    int rc;

    while (!nbd_aio_is_ready(d->nbd)) {
        if (nbd_aio_is_dead(d->nbd) || nbd_aio_is_closed(d->nbd))
            return -EIO;
        if ((rc = co_step(d, deadline, "open the disk")) < 0)
            return rc;
    }
    d->size = nbd_get_size(d->nbd);
    return d->size < 0 ? -EIO : 0;
}

int disk_server_start(const struct sm_attachment *a, unsigned flags, struct disk_server *ret)
{
    CLEANUP_FD int listening = -1;
    CLEANUP_FD int connected = -1;
    int rc = fault_point(FAULT_STORAGE, "qemu-nbd");

    if (rc == 0)
        rc = connected_pair(&listening, &connected);
    if (rc < 0)
        return rc;
    /* Ours, closed at the end, would keep the connection waiting when qemu-nbd ends before it has taken it.
     */
    ret->pid = start_server(a, flags, listening);
    if (ret->pid < 0)
        return ret->pid;
    ret->fd = TAKE_FD(connected);
    return 0;
}

void co_disk_server_end(struct disk_server *s)
{
    close(s->fd);
    co_proc_end(s->pid, SIGTERM);
}

/* Takes fd. */
static int co_speak(struct disk *d, int fd)
{
    d->nbd = nbd_create();
    if (!d->nbd || nbd_add_meta_context(d->nbd, map_context(d->flags)) < 0 ||
        nbd_aio_connect_socket(d->nbd, fd) < 0) {
        close(fd);
        return -EIO;
    }
    return co_handshake(d);
}

int co_disk_open(const struct sm_attachment *a, unsigned flags, struct disk **ret, struct err *e)
{
    struct disk *d = mem_zalloc(sizeof *d);
    struct disk_server server = {0};
    d->flags = flags;
    int rc = disk_server_start(a, flags, &server);
    d->server = server.pid;

    if (rc == 0)
        rc = co_speak(d, server.fd);
    if (rc < 0) {
        co_disk_close(d);
        return fail(e, rc, "opening the disk");
    }
    *ret = d;
    return 0;
}

int co_disk_open_at(int fd, unsigned flags, void (*co_after)(void *arg), void *arg, struct disk **ret,
                    struct err *e)
{
    struct disk *d = mem_zalloc(sizeof *d);
    *d = (struct disk){.flags = flags, .co_after = co_after, .after_arg = arg};
    int rc = co_speak(d, fd);

    if (rc < 0) {
        co_disk_close(d);
        return fail(e, rc, "opening the disk of another host");
    }
    *ret = d;
    return 0;
}

void co_disk_close(struct disk *d)
{
    if (!d)
        return;
    if (d->nbd)
        nbd_close(d->nbd); /* no child of its own: does not wait */
    if (d->server > 0)
        co_proc_end(d->server, SIGTERM);
    if (d->co_after)
        d->co_after(d->after_arg);
    free(d);
}

int64_t disk_size(const struct disk *d)
{
    return d->size;
}

/* ---- bytes ---- */

int disk_start_read(struct disk *d, void *bytes, size_t n, int64_t offset, struct err *e)
{
    return begin(d, nbd_aio_pread(d->nbd, bytes, n, (uint64_t)offset, NBD_NULL_COMPLETION, 0), e);
}

int disk_start_write(struct disk *d, const void *bytes, size_t n, int64_t offset, struct err *e)
{
    return begin(d, nbd_aio_pwrite(d->nbd, bytes, n, (uint64_t)offset, NBD_NULL_COMPLETION, 0), e);
}

int co_disk_read(struct disk *d, void *bytes, size_t n, int64_t offset, struct err *e)
{
    return disk_start_read(d, bytes, n, offset, e) < 0 ? -1 : co_disk_wait(d, e);
}

int co_disk_write(struct disk *d, const void *bytes, size_t n, int64_t offset, struct err *e)
{
    return disk_start_write(d, bytes, n, offset, e) < 0 ? -1 : co_disk_wait(d, e);
}

int co_disk_zero(struct disk *d, int64_t n, int64_t offset, struct err *e)
{
    while (n > 0) {
        int64_t part = n < extent_question ? n : extent_question;
        if (begin(d, nbd_aio_zero(d->nbd, (uint64_t)part, (uint64_t)offset, NBD_NULL_COMPLETION, 0), e) < 0 ||
            co_disk_wait(d, e) < 0)
            return -1;
        n -= part;
        offset += part;
    }
    return 0;
}

int co_disk_flush(struct disk *d, struct err *e)
{
    return begin(d, nbd_aio_flush(d->nbd, NBD_NULL_COMPLETION, 0), e) < 0 ? -1 : co_disk_wait(d, e);
}

/* ---- what is allocated ---- */

void disk_map_set(struct disk_map *m, int64_t block)
{
    m->bits[block / 8] |= (unsigned char)(1 << block % 8);
}

static void map_mark(struct disk_map *m, int64_t offset, int64_t length)
{
    for (int64_t b = offset >> m->shift; b <= (offset + length - 1) >> m->shift && b < m->n; b++)
        disk_map_set(m, b);
}

/* Is an extent that was told of like this to be in the map? */
static bool counts(const struct disk *d, uint32_t told)
{
    return d->layers > 0 ? told >= 1 && told <= d->layers : !(told & LIBNBD_STATE_ZERO);
}

/* Take in one answer: pairs of length and flags from where the question began. */
static int take_extents(void *arg, const char *context, uint64_t offset, uint32_t *entries, size_t n,
                        int *error)
{
    struct disk *d = arg;

    for (size_t i = 0; i + 1 < n && d->map; i += 2) {
        int64_t length = entries[i] < d->size - d->mapped ? entries[i] : d->size - d->mapped;
        if (length > 0 && counts(d, entries[i + 1]))
            map_mark(d->map, d->mapped, length);
        d->mapped += length;
    }
    return 0;
}

/* Ask about what comes next; a server that tells nothing would keep us asking. */
static int co_map_step(struct disk *d, struct err *e)
{
    int64_t before = d->mapped, left = d->size - before;
    nbd_extent_callback extents = {.callback = take_extents, .user_data = d};
    uint64_t n = (uint64_t)(left < extent_question ? left : extent_question);

    if (begin(d, nbd_aio_block_status(d->nbd, n, (uint64_t)before, extents, NBD_NULL_COMPLETION, 0), e) < 0 ||
        co_disk_wait(d, e) < 0)
        return -1;
    return d->mapped > before ? 0 : sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "qemu-nbd told of no extents");
}

static int co_fill_map(struct disk *d, struct disk_map *m, struct err *e)
{
    int rc = 0;

    if (nbd_can_meta_context(d->nbd, map_context(d->flags)) <= 0) {
        map_mark(m, 0, d->size);
        return 0;
    }
    d->map = m;
    d->mapped = 0;
    while (rc == 0 && d->mapped < d->size)
        rc = co_map_step(d, e);
    d->map = NULL;
    return rc;
}

static int co_map(struct disk *d, unsigned shift, struct disk_map *ret, struct err *e)
{
    struct disk_map m = {.shift = shift, .n = (d->size + (1 << shift) - 1) >> shift};

    m.bits = mem_zalloc((size_t)m.n / 8 + 1);
    if (co_fill_map(d, &m, e) < 0) {
        disk_map_free(&m);
        return -1;
    }
    *ret = m;
    return 0;
}

int co_disk_map(struct disk *d, unsigned shift, struct disk_map *ret, struct err *e)
{
    d->layers = 0;
    return co_map(d, shift, ret, e);
}

int co_disk_map_layers(struct disk *d, unsigned shift, unsigned layers, struct disk_map *ret, struct err *e)
{
    d->layers = layers;
    return co_map(d, shift, ret, e);
}

void disk_map_join(struct disk_map *m, const struct disk_map *other)
{
    for (int64_t b = 0; b < other->n && b < m->n; b++)
        if (disk_map_has(other, b))
            disk_map_set(m, b);
}

bool disk_map_has(const struct disk_map *m, int64_t block)
{
    return m->bits[block / 8] >> block % 8 & 1;
}

int64_t disk_map_count(const struct disk_map *m)
{
    int64_t count = 0;

    for (int64_t i = 0; i <= m->n / 8; i++)
        count += __builtin_popcount(m->bits[i]);
    return count;
}

void disk_map_free(struct disk_map *m)
{
    free(m->bits);
    *m = (struct disk_map){0};
}
