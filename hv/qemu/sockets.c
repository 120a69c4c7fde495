/* The sockets between the QEMUs of a guest that moves: opened here, since QEMU leaves them as they come. */
#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/qemu/move.h"
#include "lib/clock.h"

#define BACKLOG 16

int co_qemu_pass_socket(struct qemu_vm *vm, int fd, const char *name, const char *address, struct err *e)
{
    int r = fd < 0 ? fd : qmp_pass_fd(vm->qmp, fd);

    if (r == 0)
        return co_qemu_ask(vm, "getfd", json_pack("{s:s}", "fdname", name), NULL, e);
    err_errno(e, r, "a connection of %s at %s", vm->uuid, address);
    return r;
}

/* TLS's handshake is many short messages, which the kernel holds back for up to 40 ms each time until the one
 * before is acknowledged; a guest may stand still meanwhile. What is accepted inherits this. */
static void answer_at_once(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int qemu_listen(const char *address, unsigned *ret_port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    CLEANUP_FD int fd = -1;
    char port[8];
    int r = 0;

    if (getaddrinfo(address, "0", &hints, &found) != 0)
        return -EADDRNOTAVAIL;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        answer_at_once(fd);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &length) < 0)
        r = -errno;
    freeaddrinfo(found);
    if (r == 0 && getnameinfo((struct sockaddr *)&bound, length, NULL, 0, port, sizeof port,
                              NI_NUMERICSERV | NI_NUMERICHOST) != 0)
        r = -EADDRNOTAVAIL;
    if (r < 0)
        return r;
    *ret_port = (unsigned)atoi(port);
    return TAKE_FD(fd);
}

/* So that a network that is cut ends the connection: what QEMU waits for then fails, the guest's writes too,
 * and whatever it has to wait out before it takes another command. QEMU itself would wait for ever. */
static void limit_silence(int fd)
{
    int on = 1, idle = QEMU_STALL_MS / 4000, interval = idle, count = 3;
    unsigned give_up_ms = QEMU_STALL_MS;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms, sizeof give_up_ms);
}

static int co_connect(int fd, const struct addrinfo *to)
{
    int error = 0, r;
    socklen_t length = sizeof error;

    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    r = co_wait_fd(fd, EV_WRITE, clock_in_ms(QEMU_STALL_MS), "a connection to the destination");
    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        r = -errno;
    return r < 0 ? r : -error;
}

int co_qemu_connect(const char *address, unsigned port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    CLEANUP_FD int fd = -1;
    char text[16];
    int r;

    snprintf(text, sizeof text, "%u", port);
    if (getaddrinfo(address, text, &hints, &found) != 0)
        return -EADDRNOTAVAIL;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    r = fd < 0 ? -errno : 0;
    if (r == 0) {
        limit_silence(fd);
        answer_at_once(fd);
        r = co_connect(fd, found);
    }
    freeaddrinfo(found);
    return r < 0 ? r : TAKE_FD(fd);
}
