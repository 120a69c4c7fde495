/* The drives of a guest that is up. A drive is the device disk<userdevice>; what it reads is a block node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/qemu/access.h"
#include "hv/qemu/devices.h"
#include "model/errors.gen.h"

/* ---- nodes ---- */

/* The number after the dot in the name of a node of this drive; 0 without one, -1: it is another's. */
static int node_generation(const char *name, unsigned userdevice)
{
    char prefix[24];
    int n = snprintf(prefix, sizeof prefix, "node%u", userdevice);

    if (!name || strncmp(name, prefix, (size_t)n) != 0)
        return -1;
    if (name[n] == '\0' || name[n] == '-') /* snapshot.c has names with a dash */
        return 0;
    return name[n] == '.' ? atoi(name + n + 1) : -1;
}

bool qemu_node_is_of(const char *name, unsigned userdevice)
{
    return node_generation(name, userdevice) >= 0;
}

/* Delete the drive's nodes; QEMU keeps those that are in use. *ret_newest: the highest generation seen. */
int co_qemu_drop_nodes(struct qemu_vm *vm, unsigned userdevice, int *ret_newest, struct err *e)
{
    json_t *nodes = NULL, *node;
    int r = co_qemu_ask(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", true), &nodes, e);
    size_t i;

    *ret_newest = 0;
    json_array_foreach (nodes, i, node) {
        const char *name = json_string_value(json_object_get(node, "node-name"));
        int generation = node_generation(name, userdevice);
        CLEANUP_ERR struct err in_use = {0};

        if (generation < 0)
            continue;
        if (generation > *ret_newest)
            *ret_newest = generation;
        r = co_qemu_ask(vm, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL, &in_use);
        if (r < 0 && r != -EREMOTEIO) {
            err_move(e, &in_use);
            break;
        }
        r = 0;
    }
    json_decref(nodes);
    return r;
}

static int co_add_generation(struct qemu_vm *vm, const struct hv_disk *d, int generation,
                             char node[QEMU_NODE_NAME_SIZE], struct err *e)
{
    int r = qemu_access_disk(vm, d, e);
    json_t *arguments;

    if (r < 0)
        return r;
    snprintf(node, QEMU_NODE_NAME_SIZE, "node%u.%d", d->userdevice, generation);
    arguments = qemu_blockdev(d, node);
    if (!arguments) {
        err_internal(e, "the path of a disk is missing or is not UTF-8");
        return -EINVAL;
    }
    return co_qemu_ask(vm, "blockdev-add", arguments, NULL, e);
}

int co_qemu_add_node(struct qemu_vm *vm, const struct hv_disk *d, char node[QEMU_NODE_NAME_SIZE],
                     struct err *e)
{
    int newest, r = co_qemu_drop_nodes(vm, d->userdevice, &newest, e);

    return r < 0 ? r : co_add_generation(vm, d, newest < 1000000 ? newest + 1 : 1, node, e);
}

/* ---- trays ---- */

/* A guest may close its tray whenever it likes; its firmware does when it looks for drives. */
#define TRAY_TRIES 20

/* Is this entry of query-block the drive? A virtio disk is a part of its device. */
static bool is_drive(const json_t *entry, const char *id)
{
    static const char peripheral[] = "/machine/peripheral/";
    const char *qdev = json_string_value(json_object_get(entry, "qdev"));
    size_t n = strlen(id);

    if (!qdev)
        return false;
    if (strncmp(qdev, peripheral, sizeof peripheral - 1) == 0)
        qdev += sizeof peripheral - 1;
    return strncmp(qdev, id, n) == 0 && (qdev[n] == '\0' || qdev[n] == '/');
}

static const json_t *find_drive(const json_t *blocks, const char *id)
{
    json_t *entry;
    size_t i;

    json_array_foreach (blocks, i, entry)
        if (is_drive(entry, id))
            return entry;
    return NULL;
}

static int co_move_tray(struct qemu_vm *vm, bool open, const char *id, struct err *e)
{
    if (!open)
        return co_qemu_ask(vm, "blockdev-close-tray", json_pack("{s:s}", "id", id), NULL, e);
    return co_qemu_ask(vm, "blockdev-open-tray", json_pack("{s:s, s:b}", "id", id, "force", true), NULL, e);
}

/* 1, 0 or -errno. */
static int co_tray_is_open(struct qemu_vm *vm, const char *id, struct err *e)
{
    json_t *blocks = NULL;
    int r = co_qemu_ask(vm, "query-block", NULL, &blocks, e);

    if (r == 0)
        r = json_is_true(json_object_get(find_drive(blocks, id), "tray_open"));
    json_decref(blocks);
    return r;
}

/* A command that needs an open tray. What QEMU refuses is tried again when the tray was closed meanwhile.
 * arguments are taken over. */
static int co_at_open_tray(struct qemu_vm *vm, const char *id, const char *command, json_t *arguments,
                           struct err *e)
{
    int r = -EREMOTEIO, open = 0;

    for (unsigned i = 0; i < TRAY_TRIES && r == -EREMOTEIO && open == 0; i++) {
        err_clear(e);
        r = co_move_tray(vm, true, id, e);
        if (r < 0)
            break;
        r = co_qemu_ask(vm, command, json_incref(arguments), NULL, e);
        if (r == -EREMOTEIO) {
            CLEANUP_ERR struct err unknown = {0};

            open = co_tray_is_open(vm, id, &unknown);
        }
    }
    json_decref(arguments);
    return r;
}

/* ---- CD drives ---- */

static int co_empty(struct qemu_vm *vm, const char *id, struct err *e)
{
    return co_at_open_tray(vm, id, "blockdev-remove-medium", json_pack("{s:s}", "id", id), e);
}

static int co_insert(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct hv_disk *medium = arg;
    char id[DEVICE_ID_SIZE], node[32];
    int r;

    qemu_device_id(id, HV_DEVICE_DISK, medium->userdevice);
    r = co_empty(vm, id, e);
    if (r == 0)
        qemu_access_revoke(vm, (int)medium->userdevice);
    if (r == 0)
        r = co_qemu_add_node(vm, medium, node, e);
    if (r == 0)
        r = co_at_open_tray(vm, id, "blockdev-insert-medium",
                            json_pack("{s:s, s:s}", "id", id, "node-name", node), e);
    return r < 0 ? r : co_move_tray(vm, false, id, e);
}

int co_qemu_insert(struct hv *hv, const char *uuid, const struct hv_disk *medium, struct err *e)
{
    struct hv_disk copy = *medium;

    return co_qemu_with_guest(hv, uuid, co_insert, &copy, e);
}

static int co_eject(struct qemu_vm *vm, void *arg, struct err *e)
{
    unsigned userdevice = *(const unsigned *)arg;
    char id[DEVICE_ID_SIZE];
    int newest, r;

    qemu_device_id(id, HV_DEVICE_DISK, userdevice);
    r = co_empty(vm, id, e);
    if (r == 0)
        r = co_move_tray(vm, false, id, e);
    if (r == 0)
        r = co_qemu_drop_nodes(vm, userdevice, &newest, e);
    if (r == 0)
        qemu_access_revoke(vm, (int)userdevice);
    return r;
}

int co_qemu_eject(struct hv *hv, const char *uuid, unsigned userdevice, struct err *e)
{
    return co_qemu_with_guest(hv, uuid, co_eject, &userdevice, e);
}

/* ---- what is there ---- */

/* A tray that stands open was left so by a change that was cut short. */
int co_qemu_look_at_drive(struct qemu_vm *vm, unsigned userdevice, enum hv_presence *ret, struct err *e)
{
    json_t *blocks = NULL;
    const json_t *drive;
    bool open;
    char id[DEVICE_ID_SIZE];
    int newest, r = co_qemu_ask(vm, "query-block", NULL, &blocks, e);

    if (r < 0)
        return r;
    qemu_device_id(id, HV_DEVICE_DISK, userdevice);
    drive = find_drive(blocks, id);
    open = json_is_true(json_object_get(drive, "tray_open"));
    *ret = !drive ? HV_ABSENT : json_object_get(drive, "inserted") ? HV_PRESENT : HV_EMPTY;
    json_decref(blocks);
    if (open)
        r = co_move_tray(vm, false, id, e);
    if (r == 0)
        r = co_qemu_drop_nodes(vm, userdevice, &newest, e);
    if (r == 0 && *ret != HV_PRESENT)
        qemu_access_revoke(vm, (int)userdevice);
    return r;
}

/* ---- disks ---- */

static int co_plug(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct hv_disk *d = arg;
    char node[32];
    int r;

    if (!qemu_disk_has_place(d->userdevice, &vm->layout)) {
        err_operation_not_allowed(e, "The guest has no PCI slot for a disk with so high a userdevice");
        return -ENOSPC;
    }
    r = co_add_generation(vm, d, 1, node, e);
    if (r == -EREMOTEIO) { /* what a change that was cut short left is in the way */
        err_clear(e);
        r = co_qemu_add_node(vm, d, node, e);
    }
    return r < 0 ? r : co_qemu_add_device(vm, qemu_disk_device(d, node, &vm->layout), e);
}

int co_qemu_plug_disk(struct hv *hv, const char *uuid, const struct hv_disk *d, struct err *e)
{
    struct hv_disk copy = *d;

    return co_qemu_with_guest(hv, uuid, co_plug, &copy, e);
}

struct resize {
    unsigned userdevice;
    int64_t size;
};

/* The node in the drive, which is what is resized: a virtio disk's device is not its block device. */
static int co_resize(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct resize *s = arg;
    char id[DEVICE_ID_SIZE];
    json_t *blocks = NULL, *arguments;
    int r = co_qemu_ask(vm, "query-block", NULL, &blocks, e);

    if (r < 0)
        return r;
    qemu_device_id(id, HV_DEVICE_DISK, s->userdevice);
    arguments = json_pack(
        "{s:s, s:I}", "node-name",
        json_string_value(json_object_get(json_object_get(find_drive(blocks, id), "inserted"), "node-name")),
        "size", (json_int_t)s->size);
    json_decref(blocks);
    if (!arguments) {
        err_internal(e, "the guest has no disk %s", id);
        return -ENOENT;
    }
    return co_qemu_ask(vm, "block_resize", arguments, NULL, e);
}

int co_qemu_resize(struct hv *hv, const char *uuid, unsigned userdevice, int64_t size, struct err *e)
{
    struct resize s = {userdevice, size};

    return co_qemu_with_guest(hv, uuid, co_resize, &s, e);
}
