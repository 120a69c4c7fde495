#ifndef XE_CMD_DEVICES_H
#define XE_CMD_DEVICES_H
/*
 * Drives of VMs, for the verbs that list, make and change them.
 */
#include <stdbool.h>
#include "xe/fetch.h"

/* The VBDs of a VM that are CD drives, or those that are not, by their place. */
int co_vm_vbds(struct xe *x, const struct record *vm, bool cd, struct records *ret, struct err *e);

/* The record of a VBD to be made (vdi: REF_NONE for an empty drive); mode and type as on the wire. The caller
 * adds bootable, unpluggable and other_config. */
struct wire *vbd_record(struct xe *x, const char *vm, const char *vdi, const char *device, const char *mode,
                        const char *type);

/* Make a VBD and plug it where the VM runs; a refused plug is no error. */
int co_create_and_plug(struct xe *x, const struct wire *record, struct err *e);

#endif
