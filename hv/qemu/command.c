/* Programs inside guests, run by their agents. */
#include <errno.h>
#include <string.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/qemu.h"
#include "model/errors.gen.h"

static bool is_usable(const struct qemu_vm *vm)
{
    return !vm->gone && vm->agent && guest_agent_is_there(vm->agent);
}

/* One at a time in a guest. */
static int co_wait_turn(struct qemu_vm *vm, int64_t deadline)
{
    int r = 0;

    while (r == 0 && is_usable(vm) && vm->commanded)
        r = co_cond_wait(&vm->changed, deadline, "another program to end in %s", vm->uuid);
    return r;
}

static int co_wait_end(struct qemu_vm *vm, int64_t deadline)
{
    int r = 0;

    while (r == 0 && !vm->gone && vm->agent && !guest_agent_ran(vm->agent))
        r = co_cond_wait(&vm->changed, deadline, "a program to end in %s", vm->uuid);
    return r < 0 ? r : vm->gone || !vm->agent ? -ECONNRESET : 0;
}

static int explain(const struct qemu_vm *vm, int r, const struct hv_command *c, struct err *e)
{
    const char *why = r == -EREMOTEIO ? guest_agent_refusal(vm->agent) : NULL;

    if (r == -ECANCELED)
        return err_errno(e, r, "%s in %s", c->path, vm->uuid);
    if (why && strstr(why, "No such file"))
        return err_xenapi_missing_plugin(e, c->path);
    return err_operation_not_allowed(e, why               ? why
                                        : r == -ETIMEDOUT ? "The guest did not run it to its end in time"
                                                          : "The guest has gone");
}

static int co_run(struct qemu_vm *vm, const struct hv_command *c, int64_t deadline, void *ctx,
                  struct hv_command_result *ret, struct err *e)
{
    int r = co_wait_turn(vm, deadline);

    if (r == 0 && !is_usable(vm))
        return err_vm_lacks_feature(e, vm->uuid);
    if (r < 0)
        return explain(vm, r, c, e);
    vm->commanded = true;
    guest_agent_run(vm->agent, c);
    r = co_wait_end(vm, deadline);
    if (r == 0)
        r = guest_agent_result(vm->agent, ctx, ret);
    if (r < 0)
        explain(vm, r, c, e);
    if (vm->agent)
        guest_agent_forget(vm->agent);
    vm->commanded = false;
    fiber_cond_broadcast(&vm->changed);
    return r < 0 ? -1 : 0;
}

int co_qemu_command(struct hv *hv, const char *uuid, const struct hv_command *c, int64_t deadline, void *ctx,
                    struct hv_command_result *ret, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    int r = 0;

    if (!vm || vm->state != HV_STATE_RUNNING)
        return err_vm_bad_power_state(e, uuid, "Running", vm ? "Paused" : "Halted");
    if (!is_usable(vm))
        return err_vm_lacks_feature(e, uuid);
    qemu_vm_ref(vm);
    *ret = (struct hv_command_result){.out = "", .err = ""};
    if (c->path)
        r = co_run(vm, c, deadline, ctx, ret, e);
    else
        guest_agent_ask(vm->agent);
    qemu_vm_unref(vm);
    return r;
}
