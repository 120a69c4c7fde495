/* Disks whose content moves with their guest: QEMU's mirror jobs at the source write to the destination's
 * images over NBD. A mirror's job and its target node are called move<userdevice>. */
#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/qemu/jobs.h"
#include "hv/qemu/move.h"
#include "lib/clock.h"

#define PREFIX "move"
#define BACKLOG 16
#define END_MS 30000

static void mirror_name(char name[DEVICE_ID_SIZE], unsigned userdevice)
{
    snprintf(name, DEVICE_ID_SIZE, PREFIX "%u", userdevice);
}

/* Let QEMU have a socket, under a name; or fd is -errno. */
static int co_hand_over(struct qemu_vm *vm, int fd, const char *name, const char *address, struct err *e)
{
    int r = fd < 0 ? fd : qmp_pass_fd(vm->qmp, fd);

    if (r == 0)
        return co_qemu_ask(vm, "getfd", json_pack("{s:s}", "fdname", name), NULL, e);
    err_errno(e, r, "the disks of %s at %s", vm->uuid, address);
    return r;
}

/* ---- the destination ---- */

/* A listening socket at a free port of this address, or -errno. */
static int listen_at(const char *address, unsigned *ret_port)
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

/* QEMU tells nobody which port it chose, so it is given a socket that listens already. */
static int co_start_server(struct qemu_vm *vm, const char *address, unsigned *ret_port, struct err *e)
{
    CLEANUP_FD int fd = listen_at(address, ret_port);
    int r = co_hand_over(vm, fd, "disks", address, e);

    return r < 0 ? r
                 : co_qemu_ask(vm, "nbd-server-start",
                               json_pack("{s:{s:s, s:{s:s}}, s:s, s:s}", "addr", "type", "fd", "data", "str",
                                         "disks", "tls-creds", QEMU_CREDS_IN, "tls-authz", QEMU_AUTHZ_IN),
                               NULL, e);
}

static int co_export(struct qemu_vm *vm, unsigned userdevice, struct err *e)
{
    char name[DEVICE_ID_SIZE], node[QEMU_NODE_NAME_SIZE];
    int r = co_qemu_find_node(vm, userdevice, node, e);

    mirror_name(name, userdevice);
    return r < 0 ? r
                 : co_qemu_ask(vm, "block-export-add",
                               json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", name, "node-name",
                                         node, "name", name, "writable", true),
                               NULL, e);
}

int co_qemu_export_disks(struct qemu_vm *vm, const struct hv_passage *p, unsigned *ret_port, struct err *e)
{
    int r = p->n_mirrors > 0 ? co_start_server(vm, p->address, ret_port, e) : 0;

    for (unsigned i = 0; r == 0 && i < p->n_mirrors; i++)
        r = co_export(vm, p->mirrors[i], e);
    return r;
}

/* ---- the source ---- */

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
    r = co_wait_fd(fd, EV_WRITE, clock_in_ms(QEMU_STALL_MS), "a connection to the disks at the destination");
    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        r = -errno;
    return r < 0 ? r : -error;
}

/* A socket that is connected, or -errno. */
static int co_connect_to(const char *address, unsigned port)
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
        r = co_connect(fd, found);
    }
    freeaddrinfo(found);
    return r < 0 ? r : TAKE_FD(fd);
}

static int co_open_target(struct qemu_vm *vm, const struct hv_passage *p, const char *name, struct err *e)
{
    CLEANUP_FD int fd = co_connect_to(p->address, p->disk_port);
    int r = co_hand_over(vm, fd, name, p->address, e);

    return r < 0 ? r
                 : co_qemu_ask(vm, "blockdev-add",
                               json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:s}", "node-name", name,
                                         "driver", "nbd", "export", name, "server", "type", "fd", "str", name,
                                         "tls-creds", QEMU_CREDS_OUT, "tls-hostname", p->destination),
                               NULL, e);
}

/* What the guest writes goes to both before the guest hears that it is written, so that it cannot outrun the
 * copy. */
static int co_begin_mirror(struct qemu_vm *vm, const struct hv_passage *p, unsigned userdevice, struct err *e)
{
    char name[DEVICE_ID_SIZE], node[QEMU_NODE_NAME_SIZE];
    int r = co_qemu_find_node(vm, userdevice, node, e);

    mirror_name(name, userdevice);
    if (r == 0)
        r = co_open_target(vm, p, name, e);
    return r < 0 ? r
                 : co_qemu_ask(vm, "blockdev-mirror",
                               json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I}", "job-id", name, "device",
                                         node, "target", name, "sync", "full", "copy-mode", "write-blocking",
                                         "auto-dismiss", false, "speed", (json_int_t)p->options.bandwidth),
                               NULL, e);
}

int co_qemu_begin_mirrors(struct qemu_vm *vm, const struct hv_passage *p, struct err *e)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < p->n_mirrors; i++)
        r = co_begin_mirror(vm, p, p->mirrors[i], e);
    return r;
}

int co_qemu_wait_mirrors(struct qemu_vm *vm, const struct hv_passage *p, hv_progress_fn *progress, void *arg,
                         struct err *e)
{
    return p->n_mirrors > 0
               ? co_qemu_wait_jobs(vm, PREFIX, p->n_mirrors, false, CLOCK_NEVER, progress, arg, e)
               : 0;
}

static int co_each_mirror(struct qemu_vm *vm, const struct hv_passage *p,
                          int (*co_do)(struct qemu_vm *vm, const char *name, struct err *e), struct err *e)
{
    char name[DEVICE_ID_SIZE];
    int r = 0;

    for (unsigned i = 0; r == 0 && i < p->n_mirrors; i++) {
        mirror_name(name, p->mirrors[i]);
        r = co_do(vm, name, e);
    }
    return r;
}

/* QEMU's word for the end of a mirror whose target nobody is to use here. */
static int co_complete(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_qemu_end_job(vm, name, false, e);
}

int co_qemu_complete_mirrors(struct qemu_vm *vm, const struct hv_passage *p, struct err *e)
{
    struct qemu_jobs j;
    int r;

    if (p->n_mirrors == 0)
        return 0;
    r = co_each_mirror(vm, p, co_complete, e);
    if (r == 0)
        r = co_qemu_wait_jobs(vm, PREFIX, p->n_mirrors, true, clock_in_ms(END_MS), NULL, NULL, e);
    if (r == 0)
        r = co_qemu_look_at_jobs(vm, PREFIX, &j, e);
    if (r == 0 && j.why[0]) {
        err_internal(e, "a disk of %s cannot be copied: %s", vm->uuid, j.why);
        r = -EREMOTEIO;
    }
    if (r == 0)
        r = co_each_mirror(vm, p, co_qemu_dismiss_job, e);
    return r < 0 ? r : co_each_mirror(vm, p, co_qemu_drop_node, e);
}

int co_qemu_abandon_mirrors(struct qemu_vm *vm, struct err *e)
{
    int r = co_qemu_abandon_jobs(vm, PREFIX, e);

    return r < 0 ? r
                 : co_qemu_each_found(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", true),
                                      "node-name", PREFIX, co_qemu_drop_node, e);
}

int co_qemu_has_mirrors(struct qemu_vm *vm, struct err *e)
{
    struct qemu_jobs j;
    int r = co_qemu_look_at_jobs(vm, PREFIX, &j, e);

    return r < 0 ? r : j.n > 0;
}
