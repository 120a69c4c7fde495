/* Disks whose content moves with their guest: QEMU's mirror jobs at the source write to the destination's
 * images over NBD. A mirror's job and its target node are called move<userdevice>. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hv/qemu/migration.h"
#include "hv/qemu/move.h"
#include "lib/clock.h"

#define PREFIX "move"
#define BACKLOG 16
#define END_MS 30000

static void mirror_name(char name[DEVICE_ID_SIZE], unsigned userdevice)
{
    snprintf(name, DEVICE_ID_SIZE, PREFIX "%u", userdevice);
}

static bool is_mirror(const char *name)
{
    return name && strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
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
    int r = fd < 0 ? fd : qmp_pass_fd(vm->qmp, fd);

    if (r < 0) {
        err_errno(e, r, "a port at %s", address);
        return r;
    }
    r = co_qemu_ask(vm, "getfd", json_pack("{s:s}", "fdname", "disks"), NULL, e);
    if (r < 0)
        return r;
    return co_qemu_ask(vm, "nbd-server-start",
                       json_pack("{s:{s:s, s:{s:s}}, s:s, s:s}", "addr", "type", "fd", "data", "str", "disks",
                                 "tls-creds", QEMU_CREDS_IN, "tls-authz", QEMU_AUTHZ_IN),
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

/* ---- the source's jobs ---- */

struct jobs {
    unsigned n, n_ready, n_concluded;
    double done, total; /* bytes */
    char why[200];      /* one has failed */
};

static void count_job(struct jobs *j, const json_t *job)
{
    const char *status = json_string_value(json_object_get(job, "status"));
    const char *why = json_string_value(json_object_get(job, "error"));

    if (!is_mirror(json_string_value(json_object_get(job, "id"))) || !status)
        return;
    j->n++;
    j->n_ready += strcmp(status, "ready") == 0;
    j->n_concluded += strcmp(status, "concluded") == 0;
    j->done += json_number_value(json_object_get(job, "current-progress"));
    j->total += json_number_value(json_object_get(job, "total-progress"));
    if (why)
        snprintf(j->why, sizeof j->why, "%s", why);
}

static int co_look_at_jobs(struct qemu_vm *vm, struct jobs *ret, struct err *e)
{
    json_t *list = NULL, *job;
    int r = co_qemu_ask(vm, "query-jobs", NULL, &list, e);
    size_t i;

    *ret = (struct jobs){0};
    json_array_foreach (list, i, job)
        count_job(ret, job);
    json_decref(list);
    return r;
}

/* Wait until all of at least n jobs are ready, or until all are concluded. */
static int co_wait_jobs(struct qemu_vm *vm, unsigned n, bool concluded, int64_t deadline,
                        hv_progress_fn *progress, void *arg, struct err *e)
{
    for (;;) {
        unsigned moves = vm->moves;
        struct jobs j;
        int r = co_look_at_jobs(vm, &j, e);

        if (r == 0 && (j.n < n || (!concluded && (j.why[0] || j.n_concluded > 0)))) {
            err_internal(e, "a disk of %s cannot be copied: %s", vm->uuid,
                         j.why[0] ? j.why : "its mirror has ended");
            r = -EREMOTEIO;
        }
        if (r < 0 || (concluded ? j.n_concluded : j.n_ready) == j.n)
            return r;
        if (progress && j.total > 0 && j.done <= j.total)
            progress(j.done / j.total, arg);
        r = co_qemu_wait_news(vm, moves, deadline);
        if (r < 0) {
            err_errno(e, r, "the disks of %s", vm->uuid);
            return r;
        }
    }
}

/* ---- the source ---- */

static int co_open_target(struct qemu_vm *vm, const struct hv_passage *p, const char *name, struct err *e)
{
    char port[16];

    snprintf(port, sizeof port, "%u", p->disk_port);
    return co_qemu_ask(vm, "blockdev-add",
                       json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:s, s:s}", "node-name", name, "driver",
                                 "nbd", "export", name, "server", "type", "inet", "host", p->address, "port",
                                 port, "tls-creds", QEMU_CREDS_OUT, "tls-hostname", p->destination),
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
    return p->n_mirrors > 0 ? co_wait_jobs(vm, p->n_mirrors, false, CLOCK_NEVER, progress, arg, e) : 0;
}

static int co_drop_node(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_qemu_ask(vm, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL, e);
}

/* Ask a job to end; force: whatever its copy is like then. */
static int co_end_job(struct qemu_vm *vm, const char *name, bool force, struct err *e)
{
    return co_qemu_ask(vm, "block-job-cancel", json_pack("{s:s, s:b}", "device", name, "force", force), NULL,
                       e);
}

static int co_dismiss_job(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_qemu_ask(vm, "job-dismiss", json_pack("{s:s}", "id", name), NULL, e);
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
    return co_end_job(vm, name, false, e);
}

int co_qemu_complete_mirrors(struct qemu_vm *vm, const struct hv_passage *p, struct err *e)
{
    struct jobs j;
    int r;

    if (p->n_mirrors == 0)
        return 0;
    r = co_each_mirror(vm, p, co_complete, e);
    if (r == 0)
        r = co_wait_jobs(vm, p->n_mirrors, true, clock_in_ms(END_MS), NULL, NULL, e);
    if (r == 0)
        r = co_look_at_jobs(vm, &j, e);
    if (r == 0 && j.why[0]) {
        err_internal(e, "a disk of %s cannot be copied: %s", vm->uuid, j.why);
        r = -EREMOTEIO;
    }
    if (r == 0)
        r = co_each_mirror(vm, p, co_dismiss_job, e);
    return r < 0 ? r : co_each_mirror(vm, p, co_drop_node, e);
}

/* ---- giving up ---- */

/* For each entry of what a query lists whose name is a mirror's. What QEMU refuses is gone or going. */
static int co_each_found(struct qemu_vm *vm, const char *query, json_t *arguments, const char *key,
                         int (*co_do)(struct qemu_vm *vm, const char *name, struct err *e), struct err *e)
{
    json_t *list = NULL, *entry;
    int r = co_qemu_ask(vm, query, arguments, &list, e);
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, key));
        CLEANUP_ERR struct err refusal = {0};

        if (r < 0 || !is_mirror(name))
            continue;
        r = co_do(vm, name, &refusal);
        if (r == -EREMOTEIO)
            r = 0;
        else if (r < 0)
            err_move(e, &refusal);
    }
    json_decref(list);
    return r;
}

static int co_break_off(struct qemu_vm *vm, const char *name, struct err *e)
{
    return co_end_job(vm, name, true, e);
}

int co_qemu_abandon_mirrors(struct qemu_vm *vm, struct err *e)
{
    int r = co_each_found(vm, "query-jobs", NULL, "id", co_break_off, e);

    if (r == 0)
        r = co_wait_jobs(vm, 0, true, clock_in_ms(END_MS), NULL, NULL, e);
    if (r == 0)
        r = co_each_found(vm, "query-jobs", NULL, "id", co_dismiss_job, e);
    if (r == 0)
        r = co_each_found(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", true), "node-name",
                          co_drop_node, e);
    return r;
}

int co_qemu_has_mirrors(struct qemu_vm *vm, struct err *e)
{
    struct jobs j;
    int r = co_look_at_jobs(vm, &j, e);

    return r < 0 ? r : j.n > 0;
}
