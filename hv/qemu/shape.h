#ifndef HV_QEMU_SHAPE_H
#define HV_QEMU_SHAPE_H
/*
 * The shape of a QEMU (hv/shape.h): a state fits only a QEMU that has the same devices at the same places,
 * with as many processors, as much memory and the same number of queues.
 *   {"memory", "vcpus_max", "queues", "q35", "ports", "slots", "memory_limit", "boot_order", "platform"}
 *                                          as at the start; STATE/vm/<uuid>/spec.json
 *   {"vcpus", "disks", "nics", "dimms"}    as QEMU has them when it is asked
 */
#include <jansson.h>
#include "hv/qemu/qemu.h"
#include "hv/shape.h"

/* The first part of it, for a QEMU that is started so. */
json_t *qemu_shape_begin(const struct hv_vm_spec *s, const struct qemu_layout *l);
struct qemu_layout qemu_shape_layout(const json_t *shape);

/* Does a text hold such a shape, with numbers that can be? */
bool qemu_shape_is_sound(const json_t *shape);

/* Make a specification say what its shape says; what is new is on ctx. Without a shape the layout is
 * what older states were made with, or else what new guests get. Errors: those of hv_platform_read;
 * DOMAIN_BUILDER_ERROR for a shape that makes no sense, or has a device that the specification has not. */
int qemu_shape_apply(void *ctx, struct hv_vm_spec *s, bool incoming, struct qemu_layout *ret, struct err *e);

/* What a guest that is up has; to free(). *ret is NULL for one that an older daemon started. 0 or -errno with
 * *e filled. */
int co_qemu_vm_shape(struct qemu_vm *vm, char **ret, struct err *e);

int co_qemu_shape(struct hv *hv, const char *uuid, void *ctx, const char **ret, struct err *e);

#endif
