#ifndef HV_QEMU_MIGRATION_H
#define HV_QEMU_MIGRATION_H
/*
 * QEMU's migration as the driver's files use it, to a pipe (suspend.c) and to another host (move.c,
 * receive.c); private to this folder. 0 or -errno with *e filled.
 */
#include "hv/qemu/qemu.h"

/* How far QEMU is with it. */
enum qemu_move {
    MOVE_NONE,
    MOVE_SETUP,
    MOVE_ACTIVE,
    MOVE_WAITING,   /* before the switch */
    MOVE_POST_COPY, /* the other side may run */
    MOVE_DONE,
    MOVE_FAILED, /* or cancelled */
};
#define MOVE_BIT(move) (1U << (move))

/* So that nothing but the other side slows it down: bytes a second. */
#define QEMU_BANDWIDTH_MAX ((json_int_t)1 << 40)

/* What QEMU can be told to do in a migration, as bits. */
enum qemu_capability {
    CAP_EVENTS = 1,
    CAP_PAUSE = 2,       /* wait before the switch */
    CAP_LATE = 4,        /* disks are not touched before "cont" */
    CAP_RETURN_PATH = 8, /* completed means that the other side has said so */
    CAP_POST_COPY = 16,
    CAP_MULTIFD = 32,
    CAP_AUTO_CONVERGE = 64,
};

/* Turn these on and all others off: what an earlier migration wanted must not last. */
int co_qemu_set_capabilities(struct qemu_vm *vm, unsigned capabilities, struct err *e);

/* Ask how far it is; *ret_done: 0 to 1; vm->passes. -EREMOTEIO when it has failed. */
int co_qemu_look_at_move(struct qemu_vm *vm, enum qemu_move *ret, double *ret_done, struct err *e);

/* Wait for the next news after `moves` (of the vm), not for ever. */
int co_qemu_wait_news(struct qemu_vm *vm, unsigned moves, int64_t deadline);

struct qemu_move_wait {
    unsigned until; /* MOVE_BITs */
    int64_t deadline;
    int from; /* the pipe that a state comes from; -1: none */
    hv_progress_fn *progress;
    void *arg;
    int stall_ms; /* to a host: it has failed when nothing goes out for so long; 0: however long */
    /* What is done about it at each look while it is active; NULL: nothing. */
    int (*co_steer)(struct qemu_vm *vm, void *arg, struct err *e);
};

/* Wait until it is one of those. */
int co_qemu_wait_move(struct qemu_vm *vm, const struct qemu_move_wait *w, struct err *e);

/* QEMU calls a migration completed, or failed, a moment before it takes "cont" again: wait for that. */
int co_qemu_wait_settled(struct qemu_vm *vm, struct err *e);

/* End one that may be under way, and wait until it is over. */
int co_qemu_cancel_move(struct qemu_vm *vm, struct err *e);

/* Would a state that is moved now fit the QEMU that the guest's specification makes? */
bool qemu_vm_is_changed(const struct qemu_vm *vm);

#endif
