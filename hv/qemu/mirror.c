/* Disks whose content moves with their guest: QEMU's mirror jobs at the source write to the destination's
 * images over NBD. A mirror's job and its target node are called move<userdevice>. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/jobs.h"
#include "hv/qemu/move.h"
#include "lib/clock.h"

#define PREFIX "move"
#define END_MS 30000

static void mirror_name(char name[DEVICE_ID_SIZE], unsigned userdevice)
{
    snprintf(name, DEVICE_ID_SIZE, PREFIX "%u", userdevice);
}

/* ---- the destination ---- */

/* QEMU tells nobody which port it chose, so it is given a socket that listens already. */
static int co_start_server(struct qemu_vm *vm, const char *address, unsigned *ret_port, struct err *e)
{
    CLEANUP_FD int fd = qemu_listen(address, ret_port);
    int r = co_qemu_pass_socket(vm, fd, "disks", address, e);

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

static int co_open_target(struct qemu_vm *vm, const struct hv_passage *p, const char *name, struct err *e)
{
    CLEANUP_FD int fd = co_qemu_connect(p->address, p->disk_port);
    int r = co_qemu_pass_socket(vm, fd, name, p->address, e);

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
