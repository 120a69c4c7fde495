/*
 * A guest's state out to a pipe and in again, by QEMU's migration. The guest stands still meanwhile: a
 * migration beside a running guest loses writes under TCG without a word.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/migration.h"
#include "hv/qemu/qemu.h"
#include "hv/qemu/shape.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "model/errors.gen.h"

/* ---- standing still ---- */

int qemu_vm_hold(struct qemu_vm *vm)
{
    int r = vm_dir_write(vm->dir_fd, VM_DIR_HELD, "");

    vm->held = r == 0;
    return r;
}

void qemu_vm_release(struct qemu_vm *vm)
{
    if (vm->held && unlinkat(vm->dir_fd, VM_DIR_HELD, 0) < 0 && errno != ENOENT)
        log_warning("the mark of %s, which goes on, stays: %s", vm->uuid, strerror(errno));
    vm->held = false;
}

/* ---- the pipe ---- */

static int co_tell(struct qemu_vm *vm, const char *command, json_t *arguments, struct err *e)
{
    return co_qemu_ask(vm, command, arguments, NULL, e);
}

int co_qemu_hand_over(struct qemu_vm *vm, int fd, struct err *e)
{
    int r = qmp_pass_fd(vm->qmp, fd);

    if (r < 0) {
        err_errno(e, r, "the pipe of %s", vm->uuid);
        return r;
    }
    return co_tell(vm, "getfd", json_pack("{s:s}", "fdname", "state"), e);
}

/* ---- out ---- */

static int co_stand_still(struct qemu_vm *vm, struct err *e)
{
    int r = qemu_vm_hold(vm);

    if (r < 0)
        return err_errno(e, r, "the mark of %s", vm->uuid);
    return vm->state == HV_STATE_RUNNING ? co_tell(vm, "stop", NULL, e) : 0;
}

/* A pipe is not encrypted, whatever the guest came by. */
static int co_move_out(struct qemu_vm *vm, int fd, hv_progress_fn *progress, void *arg, struct err *e)
{
    const struct qemu_move_wait w = {MOVE_BIT(MOVE_DONE), CLOCK_NEVER, -1, progress, arg, 0, NULL};

    if (co_qemu_set_capabilities(vm, CAP_EVENTS, e) < 0 || co_qemu_hand_over(vm, fd, e) < 0 ||
        co_tell(vm, "migrate-set-parameters",
                json_pack("{s:I, s:s, s:s}", "max-bandwidth", QEMU_BANDWIDTH_MAX, "tls-creds", "",
                          "tls-hostname", ""),
                e) < 0 ||
        co_tell(vm, "migrate", json_pack("{s:s}", "uri", "fd:state"), e) < 0)
        return -1;
    return co_qemu_wait_move(vm, &w, e) < 0 ? -1 : co_qemu_wait_settled(vm, e);
}

/* A pipe that was handed over for what did not begin: whoever reads from it waits for its end. */
int co_qemu_take_back(struct qemu_vm *vm, struct err *e)
{
    CLEANUP_ERR struct err none = {0};
    int r = co_tell(vm, "closefd", json_pack("{s:s}", "fdname", "state"), &none);

    if (r == -EREMOTEIO)
        return 0;
    err_move(e, &none);
    return r;
}

int co_qemu_cancel_save(struct qemu_vm *vm, struct err *e)
{
    int r = co_qemu_cancel_move(vm, e);

    return r < 0 || vm->gone ? r : co_qemu_take_back(vm, e);
}

void co_qemu_let_go(struct qemu_vm *vm)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (!vm->gone && (co_qemu_cancel_save(vm, &e) < 0 || co_tell(vm, "cont", NULL, &e) < 0))
        log_warning("guest %s stands still after what failed: %s", vm->uuid, e.code);
    else if (!vm->gone)
        qemu_vm_release(vm);
    fiber_unmask_cancel();
}

/* A guest that stood still before stays so, and so does its mark if it had one. */
static void co_give_up(struct qemu_vm *vm, bool was_running, bool was_held)
{
    CLEANUP_ERR struct err e = {0};

    if (was_running) {
        co_qemu_let_go(vm);
        return;
    }
    fiber_mask_cancel();
    if (!vm->gone && co_qemu_cancel_save(vm, &e) < 0)
        log_warning("the state of guest %s may still be saved: %s", vm->uuid, e.code);
    if (!vm->gone && !was_held)
        qemu_vm_release(vm);
    fiber_unmask_cancel();
}

int qemu_vm_note_changed(struct qemu_vm *vm, struct err *e)
{
    int r = vm->shape ? 0 : vm_dir_write(vm->dir_fd, VM_DIR_CHANGED, "");

    return r < 0 ? err_errno(e, r, "the mark of %s", vm->uuid) : 0;
}

/* The guest stands still, so that it lets go of no device meanwhile. */
static int co_write_shape(struct qemu_vm *vm, int fd, struct err *e)
{
    CLEANUP_FREE char *shape = NULL;
    int r = co_qemu_vm_shape(vm, &shape, e);

    if (r == 0 && shape) {
        r = hv_shape_write(fd, shape);
        if (r < 0)
            err_errno(e, r, "the state of %s", vm->uuid);
    }
    return r;
}

int co_qemu_save(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    bool was_running, was_held;
    int r;

    if (!vm || !vm->committed)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    if (qemu_vm_is_changed(vm))
        return err_vm_non_suspendable(e, uuid,
                                      "An older version started it, and it was given devices or processors, "
                                      "or has let go of them, since");
    qemu_vm_ref(vm);
    was_running = vm->state == HV_STATE_RUNNING;
    was_held = vm->held;
    r = co_stand_still(vm, e);
    if (r == 0)
        r = co_write_shape(vm, fd, e);
    if (r == 0)
        r = co_move_out(vm, fd, progress, arg, e);
    if (r < 0)
        co_give_up(vm, was_running, was_held);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}

/* ---- in ---- */

int co_qemu_load(struct qemu_vm *vm, int fd, struct err *e)
{
    const struct qemu_move_wait w = {MOVE_BIT(MOVE_DONE), CLOCK_NEVER, fd, NULL, NULL, 0, NULL};
    int r = qemu_vm_hold(vm);

    if (r < 0) {
        err_errno(e, r, "the mark of %s", vm->uuid);
        return r;
    }
    r = co_qemu_set_capabilities(vm, CAP_EVENTS, e);
    if (r == 0)
        r = co_qemu_hand_over(vm, fd, e);
    if (r == 0)
        r = co_tell(vm, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"), e);
    return r == 0 ? co_qemu_wait_move(vm, &w, e) : r;
}
