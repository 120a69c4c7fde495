#ifndef HV_QEMU_DEVICES_H
#define HV_QEMU_DEVICES_H
/*
 * Devices of a guest that is up, as the driver's files on them share them; private to this folder. A device
 * is disk<userdevice> or nic<number>; behind a disk stands a block node, behind a NIC the netdev net<number>.
 */
#include "hv/qemu/qemu.h"

#define DEVICE_ID_SIZE 24
void qemu_device_id(char id[DEVICE_ID_SIZE], enum hv_device_kind kind, unsigned number);

/* One thing done to a guest that is there; 0 or -errno with *e filled. */
typedef int co_qemu_change(struct qemu_vm *vm, void *arg, struct err *e);

/* Do it and answer 0 or -1; whatever goes wrong while the guest ends is VM_BAD_POWER_STATE. */
int co_qemu_with_guest(struct hv *hv, const char *uuid, co_qemu_change *co_do, void *arg, struct err *e);

/* A command that QEMU answers at once when it is well. arguments are taken over; ret may be NULL. */
int co_qemu_ask(struct qemu_vm *vm, const char *command, json_t *arguments, json_t **ret, struct err *e);

/* Is there a device of this id? 1, 0 or -errno. */
int co_qemu_has_device(struct qemu_vm *vm, const char *id, struct err *e);

/* device_add. arguments NULL: a value was not UTF-8. */
int co_qemu_add_device(struct qemu_vm *vm, json_t *arguments, struct err *e);

/* What is behind a device that is not there (drives.c, nics.c). */
int co_qemu_drop_nodes(struct qemu_vm *vm, unsigned userdevice, int *ret_newest, struct err *e);
bool qemu_node_is_of(const char *name, unsigned userdevice);
int co_qemu_drop_netdev(struct qemu_vm *vm, unsigned number, struct err *e);

int co_qemu_look_at_drive(struct qemu_vm *vm, unsigned userdevice, enum hv_presence *ret, struct err *e);

/* snapshot.c: the node that a drive reads and writes. */
#define QEMU_NODE_NAME_SIZE 32 /* QEMU's limit */
int co_qemu_find_node(struct qemu_vm *vm, unsigned userdevice, char node[QEMU_NODE_NAME_SIZE], struct err *e);

/* tear_out.c: take a device from a guest that does not let go of it. -errno with *e filled. */
int co_qemu_tear_out(struct qemu_vm *vm, const char *id, struct err *e);

/* drives.c: open the disk under a name that no node has, also none that is still going away. */
int co_qemu_add_node(struct qemu_vm *vm, const struct hv_disk *d, char node[QEMU_NODE_NAME_SIZE],
                     struct err *e);

/* Somebody waits for a guest to let go of a device. On the waiter's stack. */
struct qemu_unplug {
    TAILQ_ENTRY(qemu_unplug) link;
    const char *id;
    bool gone, refused;
};

/* An event on a device; refused: the guest does not let go of it. */
void qemu_device_event(struct qemu_vm *vm, const char *id, bool refused);

#endif
