#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000 /* for an answer that QEMU gives at once when it is well */
#define STATE_MS 1000    /* for an event that has most likely come already */
#define QUIT_MS 2000     /* for QEMU to end by itself, with its disks in order, before it is killed */
#define KILL_MS 10000
#define PRESS_MS 3000  /* between presses of the power button: a guest that is still booting misses one */
#define AGENT_MS 10000 /* for an order to the agent to show before the power button is pressed too */

static struct qemu_hv *qemu_of(struct hv *hv)
{
    return (struct qemu_hv *)(void *)hv;
}

static int fail_halted(struct err *e, const char *uuid)
{
    return err_vm_bad_power_state(e, uuid, "Running", "Halted");
}

/* QEMU tells of the new state before it answers the command that made it, as far as one knows. */
static void co_wait_state(struct qemu_vm *vm, enum hv_state wanted)
{
    int64_t deadline = clock_in_ms(STATE_MS);

    while (!vm->gone && vm->state != wanted)
        if (co_cond_wait(&vm->changed, deadline, "the state of %s", vm->uuid) < 0)
            return;
}

/* One command to a guest that must be there; wanted: the state it brings about, or HV_STATE_GONE when it is
 * none. */
static int co_command(struct hv *hv, const char *uuid, const char *command, enum hv_state wanted,
                      struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find(qemu_of(hv), uuid);
    CLEANUP_ERR struct err refusal = {0};
    int r;

    if (!vm)
        return fail_halted(e, uuid);
    qemu_vm_ref(vm);
    r = co_qmp_command(vm->qmp, command, NULL, clock_in_ms(COMMAND_MS), NULL, &refusal);
    if (r == 0 && wanted != HV_STATE_GONE)
        co_wait_state(vm, wanted);
    if (r < 0 && vm->gone)
        fail_halted(e, uuid);
    else if (r < 0)
        err_move(e, &refusal);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}

int co_qemu_pause(struct hv *hv, const char *uuid, struct err *e)
{
    return co_command(hv, uuid, "stop", HV_STATE_PAUSED, e);
}

int co_qemu_unpause(struct hv *hv, const char *uuid, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find(qemu_of(hv), uuid);
    int r;

    if (!vm)
        return fail_halted(e, uuid);
    qemu_vm_ref(vm);
    r = vm->held ? co_qemu_cancel_save(vm, e) : 0;
    if (r == 0)
        r = co_command(hv, uuid, "cont", HV_STATE_RUNNING, e);
    if (r == 0 && !vm->gone)
        qemu_vm_release(vm);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}

int co_qemu_reset(struct hv *hv, const char *uuid, struct err *e)
{
    return co_command(hv, uuid, "system_reset", HV_STATE_GONE, e);
}

/* ---- stop ---- */

/* A way to end that did not work is no failure while there is a harder one; being cancelled is. */
static int co_end(struct qemu_vm *vm, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    int64_t deadline = clock_in_ms(QUIT_MS);
    int r =
        qmp_is_ready(vm->qmp) ? co_qmp_command(vm->qmp, "quit", NULL, deadline, NULL, &ignored) : -ENOTCONN;

    if (r == 0 || vm->gone)
        r = vm->gone ? 0 : co_process_wait(&vm->process, deadline);
    if (r != 0 && r != -ECANCELED && !vm->gone) {
        process_kill(&vm->process, SIGKILL);
        r = co_process_wait(&vm->process, clock_in_ms(KILL_MS));
    }
    return vm->gone || r == 0 ? 0 : err_errno(e, r, "end of QEMU of %s", vm->uuid);
}

int co_qemu_stop(struct hv *hv, const char *uuid, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find(qemu_of(hv), uuid);
    int r;

    if (!vm) {
        r = co_qemu_sweep(qemu_of(hv), uuid);
        return r < 0 ? err_errno(e, r, "end of QEMU of %s", uuid) : 0;
    }
    qemu_vm_ref(vm);
    vm->stop_requested = true;
    r = co_end(vm, e);
    qemu_vm_unref(vm);
    return r;
}

/* ---- shutdown and reboot ---- */

static int fail_timeout(const struct qemu_vm *vm, int64_t begin, struct err *e)
{
    char seconds[24];

    snprintf(seconds, sizeof seconds, "%" PRId64, (clock_now() - begin + 500000000) / 1000000000);
    return err_vm_shutdown_timeout(e, vm->uuid, seconds);
}

static bool agent_is_there(const struct qemu_vm *vm)
{
    return vm->agent && guest_agent_is_there(vm->agent);
}

static bool agent_refused(const struct qemu_vm *vm)
{
    return vm->agent && guest_agent_refused(vm->agent);
}

/* Wait for the guest to go, or to reboot when it is no shutdown. 0 when it did; -EREMOTEIO when its agent
 * refused, -ENOTRECOVERABLE when it crashes instead. */
static int co_wait_obeyed(struct qemu_vm *vm, bool reboot, unsigned resets, int64_t deadline)
{
    while (!vm->gone && !(reboot && vm->resets != resets)) {
        int r;

        if (agent_refused(vm))
            return -EREMOTEIO;
        if (vm->panicked && vm->state == HV_STATE_PAUSED)
            return -ENOTRECOVERABLE;
        r = co_cond_wait(&vm->changed, deadline, "%s to %s", vm->uuid, reboot ? "reboot" : "shut down");
        if (r < 0 && !vm->gone)
            return r;
    }
    return 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Tell the agent; 0 when the guest obeyed in time, -ENODEV when there is no agent or it does not want to. */
static int co_ask_agent(struct qemu_vm *vm, enum agent_order order, int64_t deadline)
{
    unsigned resets = vm->resets;
    int r;

    if (!agent_is_there(vm))
        return -ENODEV;
    guest_agent_order(vm->agent, order);
    r = co_wait_obeyed(vm, order == ORDER_REBOOT, resets, deadline);
    if (r < 0 && vm->agent)
        guest_agent_order(vm->agent, ORDER_NONE);
    return r == -EREMOTEIO ? -ENODEV : r;
}

/* Press the power button, again and again: a guest listens to it only once it has booted so far. */
static int co_ask_by_acpi(struct qemu_vm *vm, int64_t deadline, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    int r;

    if (!vm->acpi)
        return err_vm_lacks_feature(e, vm->uuid);
    do {
        r = co_qmp_command(vm->qmp, "system_powerdown", NULL, sooner(deadline, clock_in_ms(COMMAND_MS)), NULL,
                           &refusal);
        if (r < 0)
            break;
        r = co_wait_obeyed(vm, false, 0, sooner(deadline, clock_in_ms(PRESS_MS)));
    } while (r == -ETIMEDOUT && clock_now() < deadline);
    if (r < 0 && vm->gone)
        return 0;
    err_move(e, &refusal);
    return r;
}

static int co_shut_down(struct qemu_vm *vm, int64_t deadline, struct err *e)
{
    int64_t begin = clock_now();
    int r = co_ask_agent(vm, ORDER_POWERDOWN, vm->acpi ? sooner(deadline, clock_in_ms(AGENT_MS)) : deadline);

    if (r == -ENODEV || (r == -ETIMEDOUT && vm->acpi && clock_now() < deadline))
        r = co_ask_by_acpi(vm, deadline, e);
    if (r == 0 || vm->gone)
        return 0;
    if (r == -ETIMEDOUT && !err_is_set(e))
        return fail_timeout(vm, begin, e);
    if (r == -ENOTRECOVERABLE)
        return err_vm_crashed(e, vm->uuid);
    return err_is_set(e) ? -1 : err_errno(e, r, "shutdown of %s", vm->uuid);
}

static int co_reboot(struct qemu_vm *vm, int64_t deadline, struct err *e)
{
    int64_t begin = clock_now();
    unsigned resets = vm->resets;
    int r = co_ask_agent(vm, ORDER_REBOOT, deadline);

    if (r == -ENODEV)
        return err_vm_lacks_feature(e, vm->uuid);
    if (r == -ETIMEDOUT)
        return fail_timeout(vm, begin, e);
    if (r == -ENOTRECOVERABLE)
        return err_vm_crashed(e, vm->uuid);
    if (r < 0)
        return err_errno(e, r, "reboot of %s", vm->uuid);
    if (vm->resets == resets) /* it shut down instead */
        return fail_halted(e, vm->uuid);
    return 0;
}

/* The guest, held; NULL with *e filled when it cannot hear anybody. */
static struct qemu_vm *find_running(struct hv *hv, const char *uuid, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find(qemu_of(hv), uuid);

    if (!vm || vm->state != HV_STATE_RUNNING) {
        err_vm_bad_power_state(e, uuid, "Running", vm ? "Paused" : "Halted");
        return NULL;
    }
    return qemu_vm_ref(vm);
}

int co_qemu_shutdown(struct hv *hv, const char *uuid, int64_t deadline, struct err *e)
{
    struct qemu_vm *vm = find_running(hv, uuid, e);
    int r;

    if (!vm)
        return -1;
    r = co_shut_down(vm, deadline, e);
    qemu_vm_unref(vm);
    return r;
}

int co_qemu_reboot(struct hv *hv, const char *uuid, int64_t deadline, struct err *e)
{
    struct qemu_vm *vm = find_running(hv, uuid, e);
    int r;

    if (!vm)
        return -1;
    r = co_reboot(vm, deadline, e);
    qemu_vm_unref(vm);
    return r;
}
