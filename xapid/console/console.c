#include "xapid/console/console.h"
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "xapid/console/open.h"
#include "xapid/console/websocket.h"

#define IDLE_LIMIT_MS (24 * 3600 * 1000)

void co_console_connect(struct http_request *r, struct http_stream *s, void *arg)
{
    static const char ok[] =
        "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncache-control: no-cache, no-store\r\n\r\n";

    if (!co_console_let_in(r, s, arg))
        return;
    CLEANUP_FD int fd = co_console_open(r, s, arg, false);
    if (fd < 0 || co_stream_write(s, ok, sizeof ok - 1, clock_in_ms(CONSOLE_WRITE_LIMIT_MS)) < 0)
        return;
    (void)co_stream_splice(s, fd, IDLE_LIMIT_MS);
}

/* ---- WebSocket: one fiber a direction ---- */

struct socket_tunnel {
    struct http_stream *stream;
    int fd;
    struct fiber *reader; /* of the client's side */
    bool over;
    bool writing; /* a frame is on its way: another must not begin within it */
    struct fiber_cond written;
};

/* Send whole frames to the client. */
static int co_send(struct socket_tunnel *t, const struct buf *frames)
{
    int64_t deadline = clock_in_ms(CONSOLE_WRITE_LIMIT_MS);
    int rc = 0;

    while (t->writing && rc == 0)
        rc = co_cond_wait(&t->written, deadline, "another frame to be sent");
    if (rc < 0)
        return rc;
    t->writing = true;
    rc = co_stream_write(t->stream, frames->data, frames->len, deadline);
    t->writing = false;
    fiber_cond_signal(&t->written);
    return rc;
}

static int co_write_fd(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (done < 0 &&
            co_wait_fd(fd, EV_WRITE, clock_in_ms(CONSOLE_WRITE_LIMIT_MS), "a console to take input") < 0)
            return -EIO;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

/* The guest has gone. */
static void co_say_goodbye(struct socket_tunnel *t)
{
    CLEANUP_BUF struct buf out = {0};

    websocket_close(&out, WEBSOCKET_GOING_AWAY);
    (void)co_send(t, &out);
}

/* From the guest to the client, until either ends. */
static void co_guest_to_client(void *arg)
{
    struct socket_tunnel *t = arg;
    CLEANUP_BUF struct buf out = {0};
    char bytes[2048];

    while (!t->over) {
        ssize_t n = read(t->fd, bytes, sizeof bytes);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (co_wait_fd(t->fd, EV_READ, CLOCK_NEVER, "a console's output") < 0)
                break;
            continue;
        }
        if (n <= 0) {
            co_say_goodbye(t);
            break;
        }
        buf_reset(&out);
        websocket_frame(&out, bytes, (size_t)n);
        if (co_send(t, &out) < 0)
            break;
    }
    t->over = true;
    fiber_cancel(t->reader);
}

static void co_client_to_guest(struct socket_tunnel *t)
{
    CLEANUP_BUF struct buf in = {0};
    CLEANUP_BUF struct buf data = {0};
    CLEANUP_BUF struct buf reply = {0};
    int rc = 0;

    while (rc == 0 && !t->over) {
        ssize_t n = co_stream_read(t->stream, buf_reserve(&in, 4096), 4096, clock_in_ms(IDLE_LIMIT_MS));
        if (n <= 0)
            return;
        in.len += (size_t)n;
        rc = websocket_feed(&in, &data, &reply);
        if (co_write_fd(t->fd, data.data, data.len) < 0)
            return;
        if (reply.len > 0 && co_send(t, &reply) < 0)
            return;
        buf_reset(&data);
        buf_reset(&reply);
    }
}

static void co_tunnel(struct http_stream *s, int fd)
{
    struct socket_tunnel t = {.stream = s, .fd = fd, .reader = fiber_self()};
    fiber_cond_init(&t.written);
    struct fiber *writer = fiber_ref(fiber_spawn("console", co_guest_to_client, &t));

    co_client_to_guest(&t);
    t.over = true;
    fiber_mask_cancel();
    fiber_cancel(writer);
    (void)co_fiber_join(writer, CLOCK_NEVER);
    fiber_unmask_cancel();
    fiber_unref(writer);
}

/* Write the 101; false when the request is no WebSocket's. */
static bool co_upgrade(struct http_request *r, struct http_stream *s)
{
    const char *key = http_header(r, "sec-websocket-key"), *upgrade = http_header(r, "upgrade");
    const char *protocols = http_header(r, "sec-websocket-protocol");
    CLEANUP_BUF struct buf out = {0};
    char answer[32];

    if (!upgrade || strcasecmp(upgrade, "websocket") != 0 || !key || !websocket_accept_key(key, answer)) {
        co_console_refuse(r, s, 501, "A WebSocket upgrade is expected here");
        return false;
    }
    buf_printf(&out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n%s\r\n",
               answer, protocols && strstr(protocols, "binary") ? "Sec-WebSocket-Protocol: binary\r\n" : "");
    return co_stream_write(s, out.data, out.len, clock_in_ms(CONSOLE_WRITE_LIMIT_MS)) == 0;
}

void co_console_websocket(struct http_request *r, struct http_stream *s, void *arg)
{
    if (!co_console_let_in(r, s, arg))
        return;
    CLEANUP_FD int fd = co_console_open(r, s, arg, false);
    if (fd >= 0 && co_upgrade(r, s))
        co_tunnel(s, fd);
}
