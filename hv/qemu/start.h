#ifndef HV_QEMU_START_H
#define HV_QEMU_START_H
/*
 * How a guest's QEMU comes up, as start.c and receive.c share it; private to this folder.
 */
#include "hv/qemu/qemu.h"

struct qemu_beginning {
    bool incoming; /* it waits for a guest's state */
    /* The part of the start that QEMU answers for; 0 or -errno with *e filled. */
    int (*co_begin)(struct qemu_vm *vm, const struct hv_vm_spec *spec, const void *arg, struct err *e);
    const void *arg;
};

/* Bring it up and count it as started, or leave nothing behind. 0 or -1. */
int co_qemu_bring_up(struct qemu_hv *q, const struct hv_vm_spec *spec, const struct qemu_beginning *how,
                     struct hv_vm_facts *ret, struct err *e);

#endif
