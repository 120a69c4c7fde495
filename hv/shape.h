#ifndef HV_SHAPE_H
#define HV_SHAPE_H
/*
 * The machine that a guest's state fits: what its hypervisor gave it at its start, and what it has since been
 * given and has let go of. The record of a VM may say something else by the time that the state is loaded, so
 * the state takes its shape along, in front of it, or beside it in a move.
 *
 * A text of JSON that the driver which wrote it reads (hv/qemu/shape.h), of which the agent only asks for the
 * numbers in its lists "disks" and "nics". It may come from elsewhere with an imported VM: it is bounded and
 * checked. In a stream it stands behind "xapidhw1" and its length, 4 bytes, the highest first.
 */
#include "hv/hv.h"

#define HV_SHAPE_MAX 65536

/* Did the guest have this device? Of a shape that is not known (NULL) one must believe so. */
bool hv_shape_has(const char *shape, enum hv_device_kind kind, unsigned number);

/* Write it to a pipe in front of a state. Blocks at most as long as the reader does. 0 or -errno. */
int hv_shape_write(int fd, const char *shape);

/* Read it from a pipe, where the state is left. *ret is on ctx; NULL when the state has none in front of it,
 * as older ones. Errors: INTERNAL_ERROR. */
int co_hv_shape_read(int fd, void *ctx, const char **ret, struct err *e);

#endif
