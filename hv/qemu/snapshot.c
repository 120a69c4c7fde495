/*
 * A running guest whose disks are snapshotted: storage makes what the guest has written so far the base of
 * two new, empty images, one of which takes the disk's old name. The guest still writes to the base and has
 * to go over to that one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "hv/qemu/access.h"
#include "hv/qemu/devices.h"
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000

int co_qemu_hold(struct hv *hv, const char *uuid, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    int r;

    if (!vm || !vm->committed)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    qemu_vm_ref(vm);
    r = qemu_vm_hold(vm);
    if (r < 0)
        err_errno(e, r, "the mark of %s", uuid);
    else
        r = co_qemu_pause(hv, uuid, e);
    if (r < 0 && !vm->gone)
        co_qemu_let_go(vm);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}

/* ---- what the guest has open ---- */

/* Does QEMU hold this very file open? Its name says nothing: files were renamed under it. */
static bool has_open(const struct qemu_vm *vm, const struct stat *file)
{
    char folder[64];
    struct dirent *entry;
    struct stat st;
    bool found = false;
    DIR *d;

    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)vm->process.pid);
    d = opendir(folder);
    while (d && !found && (entry = readdir(d)))
        found = fstatat(dirfd(d), entry->d_name, &st, 0) == 0 && st.st_ino == file->st_ino &&
                st.st_dev == file->st_dev;
    if (d)
        closedir(d);
    return found;
}

/* Is this entry of query-block the drive with that id? Some devices are named by their path in the machine.
 */
static bool is_drive(const json_t *entry, const char *id)
{
    const char *qdev = json_string_value(json_object_get(entry, "qdev"));
    size_t n = strlen(id);
    const char *at = qdev ? strstr(qdev, id) : NULL;

    return at && (at == qdev || at[-1] == '/') && (at[n] == '\0' || at[n] == '/');
}

/* The node that the drive writes to; false when there is no such drive. */
static bool find_node(const json_t *drives, unsigned userdevice, char node[QEMU_NODE_NAME_SIZE])
{
    const json_t *entry;
    char id[24];
    size_t i;

    snprintf(id, sizeof id, "disk%u", userdevice);
    json_array_foreach (drives, i, entry) {
        const char *name =
            json_string_value(json_object_get(json_object_get(entry, "inserted"), "node-name"));

        if (name && is_drive(entry, id)) {
            snprintf(node, QEMU_NODE_NAME_SIZE, "%s", name);
            return true;
        }
    }
    return false;
}

int co_qemu_find_node(struct qemu_vm *vm, unsigned userdevice, char node[QEMU_NODE_NAME_SIZE], struct err *e)
{
    json_t *drives = NULL;
    int r = co_qmp_command(vm->qmp, "query-block", NULL, clock_in_ms(COMMAND_MS), &drives, e);

    if (r == 0 && !find_node(drives, userdevice, node)) {
        err_internal(e, "guest %s has no disk %u", vm->uuid, userdevice);
        r = -ENOENT;
    }
    json_decref(drives);
    return r;
}

/* ---- going over ---- */

static int co_tell(struct qemu_vm *vm, const char *command, json_t *arguments, struct err *e)
{
    return co_qmp_command(vm->qmp, command, arguments, clock_in_ms(COMMAND_MS), NULL, e);
}

/* blockdev-snapshot would go on with the node that is open, under its old name, which means another file now;
 * QEMU opens files again by name. So the base is opened under its own name, without a lock, since the node
 * that goes has it locked, and nobody writes to it any more. */
static int co_add_node(struct qemu_vm *vm, const char *node, const char *path, const char *base,
                       struct err *e)
{
    return co_tell(vm, "blockdev-add",
                   json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s}, s:{s:s, s:b, s:b, s:{s:s, s:s}}}",
                             "node-name", node, "driver", "qcow2", "read-only", false, "discard", "unmap",
                             "file", "driver", "file", "filename", path, "backing", "driver", "qcow2",
                             "read-only", true, "force-share", true, "file", "driver", "file", "filename",
                             base),
                   e);
}

static int co_give_drive(struct qemu_vm *vm, unsigned userdevice, const char *node, struct err *e)
{
    char path[48];

    snprintf(path, sizeof path, "/machine/peripheral/disk%u", userdevice);
    return co_tell(vm, "qom-set",
                   json_pack("{s:s, s:s, s:s}", "path", path, "property", "drive", "value", node), e);
}

/* One that nothing uses; whatever becomes of the caller. */
static void co_drop_node(struct qemu_vm *vm, const char *node)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (!vm->gone && co_tell(vm, "blockdev-del", json_pack("{s:s}", "node-name", node), &e) < 0)
        log_warning("an image that guest %s no longer uses stays open: %s", vm->uuid, e.code);
    fiber_unmask_cancel();
}

static int co_go_over(struct qemu_vm *vm, unsigned userdevice, const struct stat *file, const char *path,
                      const char *base, struct err *e)
{
    char from[QEMU_NODE_NAME_SIZE], to[QEMU_NODE_NAME_SIZE];
    int r;

    /* The name tells apart all files that the drive ever writes to. */
    snprintf(to, sizeof to, "node%u-%llx", userdevice, (unsigned long long)file->st_ino);
    if (co_qemu_find_node(vm, userdevice, from, e) < 0 || co_add_node(vm, to, path, base, e) < 0)
        return -1;
    r = co_give_drive(vm, userdevice, to, e);
    co_drop_node(vm, r < 0 ? to : from);
    return r;
}

int co_qemu_follow_disk(struct hv *hv, const char *uuid, unsigned userdevice, const char *path,
                        const char *base, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    struct stat file;
    int r;

    if (!vm || !vm->committed)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    if (stat(path, &file) < 0)
        return err_errno(e, -errno, "%s", path);
    if (has_open(vm, &file))
        return 0;
    if (qemu_access_follow(vm, userdevice, path, base, e) < 0)
        return -1;
    qemu_vm_ref(vm);
    r = co_go_over(vm, userdevice, &file, path, base, e);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}
