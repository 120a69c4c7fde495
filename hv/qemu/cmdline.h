#ifndef HV_QEMU_CMDLINE_H
#define HV_QEMU_CMDLINE_H
/*
 * The command line of a QEMU, from a guest's specification: pure text work, never yields.
 *
 * The machine is "pc": its IDE has room for the four disks that guests made for Xen's virtual hardware
 * expect, and a Linux guest boots on it in less time than on "q35", which Secure Boot needs. The guest starts
 * stopped (-S). Values that users choose go in as JSON or as arguments of their own, so no comma in a path or
 * a name changes the meaning of an option.
 */
#include <jansson.h>
#include "hv/hv.h"
#include "hv/platform.h"

/* The descriptors a QEMU is given, besides 0 to 2 (none, qemu.log, qemu.log). */
enum qemu_fd { QEMU_FD_NOTE = 3, QEMU_FD_QMP, QEMU_FD_AGENT, QEMU_FD_SERIAL, QEMU_FD_COUNT };
#define QEMU_TAPS_MAX 16 /* descriptors of taps behind these, in the order of the NICs that have one */

struct qemu_cmdline_host {
    const char *program;     /* path of qemu-system-x86_64 */
    const char *accelerator; /* "kvm", "tcg" */
    bool sandbox;            /* seccomp works here */
};

enum { QEMU_DIMMS_MAX = 32 }; /* QEMU takes up to 256 */

/* What is not in the guest's specification and must be the same wherever its state goes. */
struct qemu_layout {
    unsigned queues;      /* of each virtio disk; 0: as QEMU has it, which depends on the processors */
    bool q35;             /* the machine is not "pc" */
    bool ports;           /* if it is "q35": it has root ports for disks and NICs */
    unsigned slots;       /* for memory that comes later; 0: none can */
    int64_t memory_limit; /* bytes that it may have with all of that, if it has slots */
    unsigned n_dimms;     /* what came, in the order of the slots, which is that of their addresses */
    int64_t dimms[QEMU_DIMMS_MAX]; /* bytes */
};

struct qemu_cmdline_how {
    bool incoming; /* it waits for a guest's state */
    struct qemu_layout layout;
};

/* argv, NULL-terminated, all on ctx. NULL with *e filled when the
 * specification cannot be had: INVALID_VALUE for what the VM's record says, else DOMAIN_BUILDER_ERROR. QEMU
 * is to be started in the guest's folder. */
const char **qemu_cmdline(void *ctx, const struct qemu_cmdline_host *host, const struct hv_vm_spec *s,
                          const struct qemu_cmdline_how *how, struct err *e);

/* The value of -sandbox. */
#define QEMU_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* Do its NICs have boot ROMs? */
bool qemu_spec_nics_boot(const struct hv_vm_spec *s);

/* Does the guest's hardware have a screen? */
bool qemu_spec_has_vnc(const struct hv_vm_spec *s);

/* The arguments of a -blockdev or blockdev-add; NULL when the path is not UTF-8. A drive's node is called
 * node<userdevice> when it is there from the start, node<userdevice>.<n> when it came later. */
json_t *qemu_blockdev(const struct hv_disk *d, const char *node);

/* Likewise of a -device or device_add, and of a -netdev or netdev_add. Disks (virtio) and NICs have their PCI
 * slots or their root ports by their numbers. */
json_t *qemu_disk_device(const struct hv_disk *d, const char *node, const struct qemu_layout *l);
json_t *qemu_nic_device(const struct hv_nic *n, enum hv_nic_model model, bool boots,
                        const struct qemu_layout *l);
/* tap: the number or the name of its tap's descriptor. */
json_t *qemu_netdev(const struct hv_nic *n, const char *tap);

/* Likewise of the memory in a slot: its backend's -object or object-add, and its -device. */
json_t *qemu_dimm_backend(unsigned slot, int64_t size);
json_t *qemu_dimm_device(unsigned slot);

/* Can a disk be given to a guest that is up at this userdevice? */
bool qemu_disk_has_place(unsigned userdevice, const struct qemu_layout *l);

#endif
