/*
 * The way that was not taken: OpenSSL on our loop, the plain bytes through a socket pair to libmicrohttpd.
 * Nothing is routed, limited or rewritten here, so it flatters that way.
 */
#include "tests/rpc/bench_pair.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/fiber.h"
#include "lib/mem.h"
#include "rpc/transport.h"

static char bytes[16384];

struct side {
    struct transport tls;
    int pair;
    bool ready;
    ev_io outer, inner;
};

static struct MHD_Daemon *mhd;
static ev_io mhd_io;

/* In external mode it must be run until it has no more to do at once, or a connection stalls. */
static void mhd_turn(struct ev_loop *loop, ev_io *w, int revents)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    do
        MHD_run(mhd);
    while (MHD_get_timeout(mhd, &timeout) == MHD_YES && timeout == 0);
}

static void side_close(struct side *s)
{
    ev_io_stop(loop_get(), &s->outer);
    ev_io_stop(loop_get(), &s->inner);
    transport_close(&s->tls);
    close(s->pair);
    free(s);
}

/* Requests and replies are small and one at a time: what one end gives the other takes. */
static void outer_ready(struct ev_loop *loop, ev_io *w, int revents)
{
    struct side *s = w->data;
    int wants;
    if (!s->ready) {
        int r = transport_handshake(&s->tls, &wants);
        s->ready = r == 0;
        if (r < 0 && r != -EAGAIN)
            side_close(s);
        return;
    }
    ssize_t n = transport_read(&s->tls, bytes, sizeof(bytes), &wants);
    if (n == -EAGAIN)
        return;
    if (n <= 0 || send(s->pair, bytes, (size_t)n, MSG_NOSIGNAL) != n)
        side_close(s);
    mhd_turn(loop, NULL, 0);
}

static void inner_ready(struct ev_loop *loop, ev_io *w, int revents)
{
    struct side *s = w->data;
    int wants;
    ssize_t n = read(s->pair, bytes, sizeof(bytes));
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || transport_write(&s->tls, bytes, (size_t)n, &wants) != n)
        side_close(s);
    mhd_turn(loop, NULL, 0);
}

void pair_take(int fd, SSL_CTX *context)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET};
    struct side *s = mem_zalloc(sizeof(*s));
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    transport_init(&s->tls, fd, context, true);
    s->pair = pair[0];
    ev_io_init(&s->outer, outer_ready, fd, EV_READ);
    ev_io_init(&s->inner, inner_ready, pair[0], EV_READ);
    s->outer.data = s->inner.data = s;
    ev_io_start(loop_get(), &s->outer);
    ev_io_start(loop_get(), &s->inner);
    MHD_add_connection(mhd, pair[1], (struct sockaddr *)&nobody, sizeof(nobody));
    mhd_turn(loop_get(), NULL, 0);
}

static void no_log(void *arg, const char *fmt, va_list ap)
{
}

void pair_start(MHD_AccessHandlerCallback handler)
{
    mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                           handler, NULL, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_END);
    if (mhd == NULL)
        abort();
    int epoll = MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    ev_io_init(&mhd_io, mhd_turn, epoll, EV_READ);
    ev_io_start(loop_get(), &mhd_io);
}
