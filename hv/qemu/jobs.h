#ifndef HV_QEMU_JOBS_H
#define HV_QEMU_JOBS_H
/*
 * QEMU's block jobs as the driver's files on mirrors use them, those whose names begin alike at a time:
 * mirror.c (disks that move along to another host), relocate.c (to other storage of this one); private to
 * this folder. 0 or -errno with *e filled.
 */
#include "hv/qemu/devices.h"
#include "hv/qemu/qemu.h"

struct qemu_jobs {
    unsigned n, n_ready, n_concluded;
    double done, total; /* bytes */
    char why[200];      /* one has failed */
};

int co_qemu_look_at_jobs(struct qemu_vm *vm, const char *prefix, struct qemu_jobs *ret, struct err *e);

/* Wait until all of at least n jobs are ready, or until all are concluded. */
int co_qemu_wait_jobs(struct qemu_vm *vm, const char *prefix, unsigned n, bool concluded, int64_t deadline,
                      hv_progress_fn *progress, void *arg, struct err *e);

/* Ask a job to end; force: whatever its copy is like then. */
int co_qemu_end_job(struct qemu_vm *vm, const char *name, bool force, struct err *e);
int co_qemu_dismiss_job(struct qemu_vm *vm, const char *name, struct err *e);
int co_qemu_drop_node(struct qemu_vm *vm, const char *name, struct err *e);

/* For each entry of what a query lists whose `key` begins so. What QEMU refuses is gone or going. arguments
 * are taken over. */
int co_qemu_each_found(struct qemu_vm *vm, const char *query, json_t *arguments, const char *key,
                       const char *prefix, int (*co_do)(struct qemu_vm *vm, const char *name, struct err *e),
                       struct err *e);

/* Break all off, in whatever state they are, and forget them. */
int co_qemu_abandon_jobs(struct qemu_vm *vm, const char *prefix, struct err *e);

#endif
