/* A guest's memory while it runs: its balloon driver gives back what it is to do without. */
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000

int co_qemu_balloon(struct qemu_vm *vm, int64_t bytes, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    int r = co_qmp_command(vm->qmp, "balloon", json_pack("{s:I}", "value", (json_int_t)bytes),
                           clock_in_ms(COMMAND_MS), NULL, &refusal);

    if (r < 0 && vm->gone)
        return err_vm_bad_power_state(e, vm->uuid, "Running", "Halted");
    if (r < 0)
        err_move(e, &refusal);
    return r < 0 ? -1 : 0;
}

int co_qemu_set_memory(struct hv *hv, const char *uuid, int64_t bytes, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    int r;

    if (!vm)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    qemu_vm_ref(vm);
    r = co_qemu_balloon(vm, bytes, e);
    qemu_vm_unref(vm);
    return r;
}
