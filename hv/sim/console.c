/* Consoles of simulated guests: each says hello, then echoes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/sim/sim.h"
#include "lib/fiber.h"
#include "lib/mem.h"

static void close_console(struct sim_console *c)
{
    ev_io_stop(loop_get(), &c->reader);
    close(c->reader.fd);
    LIST_REMOVE(c, link);
    free(c);
}

static void console_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    char piece[1024];
    ssize_t n = recv(w->fd, piece, sizeof piece, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        close_console(w->data);
    else if (send(w->fd, piece, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        close_console(w->data);
}

int co_sim_console(struct hv *hv, const char *uuid, const char *kind)
{
    static const char hello[] = "simulated guest\r\n", screen[] = "RFB 003.008\n";
    struct sim_hv *s = sim_of(hv);
    const struct sim_vm *vm = sim_find_started(s, uuid);
    bool vnc = strcmp(kind, "vnc") == 0;
    struct sim_console *c;
    int fds[2];

    if (!vm)
        return -ENOENT;
    if (vnc ? !vm->record.vnc : strcmp(kind, "serial") != 0)
        return -ENODEV;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    c = mem_zalloc(sizeof *c);
    LIST_INSERT_HEAD(&s->consoles, c, link);
    ev_io_init(&c->reader, console_cb, fds[1], EV_READ);
    c->reader.data = c;
    ev_io_start(loop_get(), &c->reader);
    if (send(fds[1], vnc ? screen : hello, vnc ? sizeof screen - 1 : sizeof hello - 1, MSG_NOSIGNAL) < 0)
        return -errno;
    return fds[0];
}

void sim_close_consoles(struct sim_hv *s)
{
    while (!LIST_EMPTY(&s->consoles))
        close_console(LIST_FIRST(&s->consoles));
}
