/*
 * A guest's state out to a pipe and in again, by QEMU's migration. The guest stands still meanwhile: a
 * migration beside a running guest loses writes under TCG without a word.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/qemu.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000
#define LOOK_MS 200 /* between looks at how far it is; its end wakes us at once */
#define CANCEL_MS 10000
#define SETTLE_MS 5

/* Nothing but the pipe is to slow it down: bytes a second. */
#define BANDWIDTH ((json_int_t)1 << 40)

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

/* ---- moving ---- */

static int co_tell(struct qemu_vm *vm, const char *command, json_t *arguments, struct err *e)
{
    return co_qmp_command(vm->qmp, command, arguments, clock_in_ms(COMMAND_MS), NULL, e);
}

/* Give QEMU our pipe under the name "state". */
static int co_hand_over(struct qemu_vm *vm, int fd, struct err *e)
{
    int r = co_tell(vm, "migrate-set-capabilities",
                    json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "events", "state", true), e);

    if (r < 0)
        return r;
    r = qmp_pass_fd(vm->qmp, fd);
    if (r < 0) {
        err_errno(e, r, "the pipe of %s", vm->uuid);
        return r;
    }
    return co_tell(vm, "getfd", json_pack("{s:s}", "fdname", "state"), e);
}

enum move { MOVE_NONE, MOVE_SETUP, MOVE_ACTIVE, MOVE_DONE, MOVE_FAILED };

static enum move move_of(const char *status)
{
    if (!status || strcmp(status, "none") == 0)
        return MOVE_NONE;
    if (strcmp(status, "setup") == 0)
        return MOVE_SETUP;
    if (strcmp(status, "completed") == 0)
        return MOVE_DONE;
    return strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0 ? MOVE_FAILED : MOVE_ACTIVE;
}

static double part_done(const json_t *answer)
{
    const json_t *ram = json_object_get(answer, "ram");
    double total = json_number_value(json_object_get(ram, "total")),
           remaining = json_number_value(json_object_get(ram, "remaining"));

    return total > 0 && remaining >= 0 && remaining <= total ? 1 - remaining / total : 0;
}

/* Ask how far it is. -errno with *e filled, also when it has failed. */
static int co_look(struct qemu_vm *vm, enum move *ret, double *ret_done, struct err *e)
{
    json_t *answer = NULL;
    const char *why;
    int r = co_qmp_command(vm->qmp, "query-migrate", NULL, clock_in_ms(COMMAND_MS), &answer, e);

    if (r == 0) {
        why = json_string_value(json_object_get(answer, "error-desc"));
        *ret = move_of(json_string_value(json_object_get(answer, "status")));
        *ret_done = part_done(answer);
        if (*ret == MOVE_FAILED)
            err_internal(e, "the state of %s cannot be moved%s%s", vm->uuid, why ? ": " : "", why ? why : "");
    }
    json_decref(answer);
    return r < 0 ? r : *ret == MOVE_FAILED ? -EREMOTEIO : 0;
}

/* Wait for the next news of the move, not for ever. */
static int co_wait_news(struct qemu_vm *vm, unsigned moves)
{
    int r = 0;

    if (vm->moves == moves && !vm->gone)
        r = co_cond_wait(&vm->changed, clock_in_ms(LOOK_MS), "the state of %s to be moved", vm->uuid);
    return r == -ETIMEDOUT ? 0 : r;
}

/* QEMU does not see the end of a pipe that nothing has ever come through. */
static bool ended_unused(int fd, enum move move)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return move <= MOVE_SETUP && poll(&p, 1, 0) == 1 && !(p.revents & POLLIN);
}

/* Until the move is done. from: the pipe of a move in; -1 for one out. */
static int co_wait_moved(struct qemu_vm *vm, int from, hv_progress_fn *progress, void *arg, struct err *e)
{
    for (;;) {
        unsigned moves = vm->moves;
        double done = 0;
        enum move move = MOVE_NONE;
        int r = co_look(vm, &move, &done, e);

        if (r < 0 || move == MOVE_DONE)
            return r;
        if (ended_unused(from, move)) {
            err_internal(e, "there is no state of %s", vm->uuid);
            return -EREMOTEIO;
        }
        if (progress)
            progress(done, arg);
        r = co_wait_news(vm, moves);
        if (r < 0) {
            err_errno(e, r, "the state of %s", vm->uuid);
            return r;
        }
    }
}

/* ---- out ---- */

static int co_stand_still(struct qemu_vm *vm, struct err *e)
{
    int r = qemu_vm_hold(vm);

    if (r < 0)
        return err_errno(e, r, "the mark of %s", vm->uuid);
    return vm->state == HV_STATE_RUNNING ? co_tell(vm, "stop", NULL, e) : 0;
}

/* QEMU calls a move completed a moment before it takes "cont" again (in "finish-migrate" it refuses). */
static int co_wait_settled(struct qemu_vm *vm, struct err *e)
{
    int64_t deadline = clock_in_ms(COMMAND_MS);

    for (;;) {
        json_t *answer = NULL;
        int r = co_qmp_command(vm->qmp, "query-status", NULL, clock_in_ms(COMMAND_MS), &answer, e);
        const char *status = json_string_value(json_object_get(answer, "status"));
        bool moving = status && strcmp(status, "finish-migrate") == 0;

        json_decref(answer);
        if (r < 0 || !moving)
            return r;
        r = clock_now() < deadline ? co_sleep_until(clock_in_ms(SETTLE_MS), "%s to settle", vm->uuid)
                                   : -ETIMEDOUT;
        if (r < 0)
            return err_errno(e, r, "the state of %s", vm->uuid);
    }
}

static int co_move_out(struct qemu_vm *vm, int fd, hv_progress_fn *progress, void *arg, struct err *e)
{
    if (co_hand_over(vm, fd, e) < 0 ||
        co_tell(vm, "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", BANDWIDTH), e) < 0 ||
        co_tell(vm, "migrate", json_pack("{s:s}", "uri", "fd:state"), e) < 0)
        return -1;
    return co_wait_moved(vm, -1, progress, arg, e) < 0 ? -1 : co_wait_settled(vm, e);
}

/* A pipe that was handed over for a move which did not begin: whoever reads from it waits for its end. */
static int co_take_back(struct qemu_vm *vm, struct err *e)
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
    int64_t deadline = clock_in_ms(CANCEL_MS);
    enum move move = MOVE_ACTIVE;
    int r = co_tell(vm, "migrate_cancel", NULL, e);

    if (r == 0)
        r = co_take_back(vm, e);

    while (r == 0 && !vm->gone) {
        CLEANUP_ERR struct err failed = {0};
        unsigned moves = vm->moves;
        double done;

        r = co_look(vm, &move, &done, &failed);
        if (r == -EREMOTEIO || (r == 0 && move != MOVE_ACTIVE && move != MOVE_SETUP))
            return 0;
        err_move(e, &failed);
        if (r == 0)
            r = clock_now() < deadline ? co_wait_news(vm, moves) : -ETIMEDOUT;
    }
    return r < 0 && !err_is_set(e) ? err_errno(e, r, "giving up the move of %s", vm->uuid) : r;
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
    int r = vm_dir_write(vm->dir_fd, VM_DIR_CHANGED, "");

    return r < 0 ? err_errno(e, r, "the mark of %s", vm->uuid) : 0;
}

static bool is_changed(const struct qemu_vm *vm)
{
    return faccessat(vm->dir_fd, VM_DIR_CHANGED, F_OK, 0) == 0;
}

int co_qemu_save(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    bool was_running, was_held;
    int r;

    if (!vm || !vm->committed)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    if (is_changed(vm))
        return err_vm_non_suspendable(e, uuid,
                                      "Devices or processors were plugged or unplugged since its start");
    qemu_vm_ref(vm);
    was_running = vm->state == HV_STATE_RUNNING;
    was_held = vm->held;
    r = co_stand_still(vm, e);
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
    int r = qemu_vm_hold(vm);

    if (r < 0) {
        err_errno(e, r, "the mark of %s", vm->uuid);
        return r;
    }
    r = co_hand_over(vm, fd, e);
    if (r == 0)
        r = co_tell(vm, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"), e);
    return r == 0 ? co_wait_moved(vm, fd, NULL, NULL, e) : r;
}
