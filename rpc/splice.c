#include "rpc/splice.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"

/* One direction: what was read at one end and waits to be written at the other. */
struct half {
    char bytes[16 * 1024];
    size_t at, n;
};

struct splice {
    struct transport *stream;
    struct buf *in; /* read from the stream already */
    int fd;
    struct half up, down; /* from the stream to fd, from fd to the stream */
    bool moved, ended;
    int stream_wants, fd_wants;
    ev_io stream_io, fd_io;
    struct fiber_cond ready;
};

static ssize_t stream_read_now(struct splice *p, void *bytes, size_t size)
{
    struct buf *in = p->in;
    int wants = 0;
    if (in->len > 0) {
        size_t n = in->len < size ? in->len : size;
        memcpy(bytes, in->data, n);
        buf_consume(in, n);
        return (ssize_t)n;
    }
    ssize_t r = transport_read(p->stream, bytes, size, &wants);
    if (r == -EAGAIN)
        p->stream_wants |= wants;
    return r;
}

static ssize_t stream_write_now(struct splice *p, const void *bytes, size_t n)
{
    int wants = 0;
    ssize_t r = transport_write(p->stream, bytes, n, &wants);
    if (r == -EAGAIN)
        p->stream_wants |= wants;
    return r;
}

static ssize_t fd_read_now(struct splice *p, void *bytes, size_t size)
{
    ssize_t r = read(p->fd, bytes, size);
    if (r >= 0)
        return r;
    if (errno == EIO) /* a pty whose other end was closed */
        return 0;
    if (errno == EAGAIN || errno == EINTR)
        p->fd_wants |= EV_READ;
    return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t fd_write_now(struct splice *p, const void *bytes, size_t n)
{
    ssize_t r = write(p->fd, bytes, n);
    if (r >= 0)
        return r;
    if (errno == EAGAIN || errno == EINTR)
        p->fd_wants |= EV_WRITE;
    return errno == EINTR ? -EAGAIN : -errno;
}

/* Move what can be moved in one direction. 0 or -errno. */
static int half_move(struct splice *p, struct half *h, ssize_t (*read_now)(struct splice *, void *, size_t),
                     ssize_t (*write_now)(struct splice *, const void *, size_t))
{
    if (h->n == 0) {
        ssize_t r = read_now(p, h->bytes, sizeof(h->bytes));
        if (r == 0)
            p->ended = true;
        if (r <= 0)
            return r == -EAGAIN ? 0 : (int)r;
        h->n = (size_t)r;
        h->at = 0;
        p->moved = true;
    }
    ssize_t r = write_now(p, h->bytes + h->at, h->n - h->at);
    if (r <= 0)
        return r == -EAGAIN ? 0 : (int)r;
    p->moved = true;
    h->at += (size_t)r;
    if (h->at == h->n)
        h->n = 0;
    return 0;
}

static void splice_ready(struct ev_loop *loop, ev_io *w, int revents)
{
    struct splice *p = w->data;
    fiber_cond_broadcast(&p->ready);
}

static void watch(struct splice *p, ev_io *io, int fd, int events)
{
    ev_io_init(io, splice_ready, fd, events);
    io->data = p;
    if (events != 0)
        ev_io_start(loop_get(), io);
}

static int co_splice_wait(struct splice *p, int64_t idle_ms)
{
    int64_t deadline = idle_ms > 0 ? clock_in_ms(idle_ms) : CLOCK_NEVER;
    watch(p, &p->stream_io, p->stream->fd, p->stream_wants);
    watch(p, &p->fd_io, p->fd, p->fd_wants);
    int r = co_cond_wait(&p->ready, deadline, "bytes from either side of a stream");
    ev_io_stop(loop_get(), &p->stream_io);
    ev_io_stop(loop_get(), &p->fd_io);
    return r;
}

/* One round of both directions, and the wait after it. */
static int co_splice_step(struct splice *p, int64_t idle_ms)
{
    p->moved = false;
    p->stream_wants = p->fd_wants = 0;
    int r = half_move(p, &p->up, stream_read_now, fd_write_now);
    if (r == 0)
        r = half_move(p, &p->down, fd_read_now, stream_write_now);
    if (r < 0 || p->ended)
        return r;
    return p->moved ? co_yield() : co_splice_wait(p, idle_ms);
}

int co_splice(struct transport *t, struct buf *in, int fd, int64_t idle_ms)
{
    struct splice *p = mem_zalloc(sizeof(*p));
    int r = 0;
    p->stream = t;
    p->in = in;
    p->fd = fd;
    fiber_cond_init(&p->ready);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    while (r == 0 && !p->ended)
        r = co_splice_step(p, idle_ms);
    free(p);
    return r;
}
