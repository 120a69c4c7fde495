/*
 * A disk goes to other storage while its guest goes on: a mirror job copies it to another image of this host
 * and then writes to both, each write to both before the guest hears of it. While the guest stands still for
 * a moment both are alike and on the disk; whoever decides says then with which of them the guest goes on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "hv/qemu/jobs.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "model/errors.gen.h"

#define PREFIX "copy" /* of the job's name, which is copy<userdevice>; a guest has one at a time */
#define END_MS 30000

struct relocation {
    unsigned userdevice;
    const struct hv_disk *disk;
    hv_progress_fn *progress;
    void *arg;
};

static void job_name(char name[DEVICE_ID_SIZE], unsigned userdevice)
{
    snprintf(name, DEVICE_ID_SIZE, PREFIX "%u", userdevice);
}

/* The node of this drive that has the image open: 1, 0 or -errno. */
static int co_find_image(struct qemu_vm *vm, unsigned userdevice, const char *path,
                         char node[QEMU_NODE_NAME_SIZE], struct err *e)
{
    json_t *nodes = NULL, *entry;
    int r = co_qemu_ask(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", true), &nodes, e);
    size_t i;

    json_array_foreach (nodes, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "node-name")),
                   *file = json_string_value(json_object_get(entry, "file"));

        if (file && strcmp(file, path) == 0 && qemu_node_is_of(name, userdevice)) {
            snprintf(node, QEMU_NODE_NAME_SIZE, "%s", name);
            r = 1;
        }
    }
    json_decref(nodes);
    return r;
}

/* ---- the copy ---- */

static int co_begin(struct qemu_vm *vm, const struct relocation *m, struct err *e)
{
    char name[DEVICE_ID_SIZE], from[QEMU_NODE_NAME_SIZE], to[QEMU_NODE_NAME_SIZE];
    int r = co_qemu_find_node(vm, m->userdevice, from, e);

    job_name(name, m->userdevice);
    if (r == 0)
        r = co_qemu_add_node(vm, m->disk, to, e);
    return r < 0 ? r
                 : co_qemu_ask(vm, "blockdev-mirror",
                               json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "job-id", name, "device", from,
                                         "target", to, "sync", "full", "copy-mode", "write-blocking",
                                         "auto-dismiss", false),
                               NULL, e);
}

/* The drive keeps the image that it has. */
static int co_give_up(struct qemu_vm *vm, unsigned userdevice, struct err *e)
{
    struct qemu_jobs left = {0};
    int newest, r = co_qemu_abandon_jobs(vm, PREFIX, e);

    if (r == 0)
        r = co_qemu_look_at_jobs(vm, PREFIX, &left, e);
    if (r == 0 && left.n > 0) {
        err_internal(e, "a copy of disk %u of %s does not end", userdevice, vm->uuid);
        r = -EBUSY;
    }
    return r < 0 ? r : co_qemu_drop_nodes(vm, userdevice, &newest, e);
}

static void co_give_up_masked(struct qemu_vm *vm, unsigned userdevice)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (!vm->gone && co_give_up(vm, userdevice, &e) < 0)
        log_warning("guest %s may still write to a copy of its disk %u: %s", vm->uuid, userdevice, e.code);
    fiber_unmask_cancel();
}

static int co_copy(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct relocation *m = arg;
    struct qemu_jobs j;
    int r = co_qemu_look_at_jobs(vm, PREFIX, &j, e);

    if (r == 0 && j.n == 0)
        r = co_begin(vm, m, e);
    if (r == 0)
        r = co_qemu_wait_jobs(vm, PREFIX, 1, false, CLOCK_NEVER, m->progress, m->arg, e);
    if (r < 0)
        co_give_up_masked(vm, m->userdevice);
    else if (m->progress)
        m->progress(1, m->arg);
    return r;
}

int co_qemu_mirror_disk(struct hv *hv, const char *uuid, const struct hv_disk *copy, hv_progress_fn *progress,
                        void *arg, struct err *e)
{
    struct relocation m = {copy->userdevice, copy, progress, arg};

    return co_qemu_with_guest(hv, uuid, co_copy, &m, e);
}

/* ---- which of them ---- */

/* The job hands the drive over to its copy. */
static int co_change_over(struct qemu_vm *vm, unsigned userdevice, struct err *e)
{
    struct qemu_jobs j;
    char name[DEVICE_ID_SIZE];
    int r;

    job_name(name, userdevice);
    r = co_qemu_ask(vm, "block-job-complete", json_pack("{s:s}", "device", name), NULL, e);
    if (r == 0)
        r = co_qemu_wait_jobs(vm, PREFIX, 1, true, clock_in_ms(END_MS), NULL, NULL, e);
    if (r == 0)
        r = co_qemu_look_at_jobs(vm, PREFIX, &j, e);
    if (r == 0 && j.why[0]) {
        err_internal(e, "disk %u of %s stays where it is: %s", userdevice, vm->uuid, j.why);
        r = -EREMOTEIO;
    }
    return r;
}

static int co_settle(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct relocation *m = arg;
    char now[QEMU_NODE_NAME_SIZE], wanted[QEMU_NODE_NAME_SIZE];
    int r = co_find_image(vm, m->userdevice, m->disk->path, wanted, e), found = r;

    if (r >= 0)
        r = co_qemu_find_node(vm, m->userdevice, now, e);
    if (r == 0 && found > 0 && strcmp(now, wanted) != 0)
        r = co_change_over(vm, m->userdevice, e);
    return r < 0 ? r : co_give_up(vm, m->userdevice, e);
}

int co_qemu_settle_disk(struct hv *hv, const char *uuid, const struct hv_disk *disk, struct err *e)
{
    struct relocation m = {.userdevice = disk->userdevice, .disk = disk};

    return co_qemu_with_guest(hv, uuid, co_settle, &m, e);
}
