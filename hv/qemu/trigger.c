/* Buttons and keys of a guest's machine. */
#include <errno.h>
#include <string.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/qemu.h"
#include "model/errors.gen.h"

static json_t *keys_of(const char *const *names, unsigned n)
{
    json_t *keys = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(keys, json_pack("{s:s, s:s}", "type", "qcode", "data", names[i]));
    return json_pack("{s:o}", "keys", keys);
}

static json_t *sysrq(char key)
{
    const char letter[] = {key, '\0'};
    const char *const names[] = {"alt", "sysrq", letter};

    return keys_of(names, 3);
}

static int co_press(struct qemu_vm *vm, enum hv_trigger trigger, char key, struct err *e)
{
    static const char *const sleep_key[] = {"sleep"};

    switch (trigger) {
    case HV_TRIGGER_NMI:
        return co_qemu_ask(vm, "inject-nmi", NULL, NULL, e);
    case HV_TRIGGER_POWER:
        return co_qemu_ask(vm, "system_powerdown", NULL, NULL, e);
    case HV_TRIGGER_SLEEP:
        return co_qemu_ask(vm, "send-key", keys_of(sleep_key, 1), NULL, e);
    case HV_TRIGGER_WAKE:
        return co_qemu_ask(vm, "system_wakeup", NULL, NULL, e);
    case HV_TRIGGER_SYSRQ:
        break;
    }
    return co_qemu_ask(vm, "send-key", sysrq(key), NULL, e);
}

int co_qemu_trigger(struct hv *hv, const char *uuid, enum hv_trigger trigger, char key, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    CLEANUP_ERR struct err refusal = {0};
    int r;

    if (!vm || vm->state != HV_STATE_RUNNING)
        return err_vm_bad_power_state(e, uuid, "Running", vm ? "Paused" : "Halted");
    qemu_vm_ref(vm);
    r = co_press(vm, trigger, key, &refusal);
    if (r == -EREMOTEIO) /* a guest that does not sleep cannot be woken, for one */
        err_operation_not_allowed(e, refusal.n_params ? refusal.params[0] : "QEMU refuses");
    else if (r < 0)
        err_move(e, &refusal);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}
