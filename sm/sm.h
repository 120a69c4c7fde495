#ifndef SM_SM_H
#define SM_SM_H
/*
 * Storage as the agent sees it: storage repositories (SRs) by uuid and device-config, disks (VDIs) by
 * location. A driver's files are the truth; the database is told what a scan found. Disk-image work goes
 * through qemu-img. Sizes in bytes. Errors are API errors ready for the client (SR_BACKEND_FAILURE_nn where
 * XenServer has them).
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "model/value.h"

struct sm_sr {
    char uuid[UUID_TEXT_SIZE];
    const char *type;                /* "file", "ext", "iso" … */
    const struct map *device_config; /* text to text */
    const struct map *sm_config;
};

struct sm_sr_stat {
    int64_t physical_size, physical_utilisation, virtual_allocation;
};

struct sm_vdi {
    char uuid[UUID_TEXT_SIZE];
    const char *location;                      /* the driver's name of it; for file SRs "<uuid>.qcow2" */
    const char *name_label, *name_description; /* from the driver, for SRs that know names (ISO); else NULL */
    int64_t virtual_size, physical_utilisation;
    bool read_only;
    const char *parent; /* uuid of the hidden base image it shares blocks with, or NULL */
};

/* How a hypervisor reaches an attached disk. */
struct sm_attachment {
    const char *path, *format; /* on ctx */
    const char *folder;        /* on the same storage, for files that are soon gone again; NULL: none */
};

struct sm_driver {
    const char *type, *name, *description, *content_type; /* content_type: "user", "iso" */
    const char *const *device_config;                     /* name, doc, name, doc …, NULL */
    const char *const *capabilities; /* "VDI_CREATE" … as in SM.capabilities, NULL-terminated */

    int (*co_sr_create)(const struct sm_sr *sr, int64_t physical_size, struct err *e);
    int (*co_sr_attach)(const struct sm_sr *sr, struct err *e); /* PBD.plug */
    int (*co_sr_detach)(const struct sm_sr *sr, struct err *e);
    int (*co_sr_destroy)(const struct sm_sr *sr, struct err *e);
    int (*co_sr_stat)(const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e);

    /* All disks there are; vdis on ctx. */
    int (*co_sr_scan)(const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n, struct err *e);

    int (*co_vdi_create)(const struct sm_sr *sr, void *ctx, const char *uuid, int64_t size,
                         const struct map *sm_config, struct sm_vdi *ret, struct err *e);
    int (*co_vdi_destroy)(const struct sm_sr *sr, const char *location, struct err *e);

    /* A writable copy that shares its unchanged blocks (copy on write); the source stays usable. */
    int (*co_vdi_clone)(const struct sm_sr *sr, void *ctx, const char *location, const char *new_uuid,
                        struct sm_vdi *ret, struct err *e);
    int (*co_vdi_snapshot)(const struct sm_sr *sr, void *ctx, const char *location, const char *new_uuid,
                           struct sm_vdi *ret, struct err *e);
    /* Make a disk that nobody has open hold what a snapshot of it does, all at once; what it held is lost.
     * NULL: the driver cannot. */
    int (*co_vdi_revert)(const struct sm_sr *sr, void *ctx, const char *location, const char *snapshot,
                         struct sm_vdi *ret, struct err *e);
    int (*co_vdi_resize)(const struct sm_sr *sr, void *ctx, const char *location, int64_t size,
                         struct sm_vdi *ret, struct err *e);

    int (*co_vdi_attach)(const struct sm_sr *sr, void *ctx, const char *location, bool writable,
                         struct sm_attachment *ret, struct err *e);
    int (*co_vdi_detach)(const struct sm_sr *sr, const char *location, struct err *e);
};

/* NULL-terminated; NULL when the type is unknown (SR_UNKNOWN_DRIVER). */
extern const struct sm_driver *const sm_drivers[];
const struct sm_driver *sm_driver_by_type(const char *type);

/* A full copy from one attached disk to another that exists and is at least as large, through qemu-img. */
int co_sm_copy(const struct sm_attachment *from, const struct sm_attachment *to, struct err *e);

/* What a disk of so many bytes really has: whole sectors of 512. -1 with SR_BACKEND_FAILURE_79 for what no
 * driver makes: nothing, or more than 16 TiB. */
int sm_disk_size(int64_t wanted, int64_t *ret, struct err *e);

#endif
