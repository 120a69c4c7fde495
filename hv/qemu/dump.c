/* The memory of a guest that has crashed, as a core file. */
#include <errno.h>
#include <string.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/migration.h"
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "model/errors.gen.h"

/* How far QEMU is: 1 when it is done, 0 when not yet, -EREMOTEIO when it has failed. */
static int co_look_at_dump(struct qemu_vm *vm, double *ret_done, struct err *e)
{
    json_t *answer = NULL;
    int r = co_qemu_ask(vm, "query-dump", NULL, &answer, e);
    const char *status = json_string_value(json_object_get(answer, "status"));
    double total = json_number_value(json_object_get(answer, "total")),
           done = json_number_value(json_object_get(answer, "completed"));

    *ret_done = total > 0 && done >= 0 && done <= total ? done / total : 0;
    if (r == 0 && status && strcmp(status, "failed") == 0) {
        err_internal(e, "QEMU could not write the memory of %s", vm->uuid);
        r = -EREMOTEIO;
    } else if (r == 0) {
        r = status && strcmp(status, "completed") == 0;
    }
    json_decref(answer);
    return r;
}

static int co_wait_dump(struct qemu_vm *vm, hv_progress_fn *progress, void *arg, struct err *e)
{
    for (;;) {
        unsigned moves = vm->moves;
        double done = 0;
        int r = co_look_at_dump(vm, &done, e);

        if (r >= 0)
            progress(r == 1 ? 1 : done, arg);
        if (r != 0)
            return r < 0 ? r : 0;
        r = co_qemu_wait_news(vm, moves, CLOCK_NEVER);
        if (r < 0)
            return err_errno(e, r, "the memory of %s", vm->uuid);
    }
}

static int co_dump(struct qemu_vm *vm, int fd, hv_progress_fn *progress, void *arg, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};

    if (co_qemu_hand_over(vm, fd, e) < 0)
        return -1;
    if (co_qemu_ask(vm, "dump-guest-memory",
                    json_pack("{s:b, s:s, s:b}", "paging", 0, "protocol", "fd:state", "detach", 1), NULL,
                    e) < 0) {
        co_qemu_take_back(vm, &ignored);
        return -1;
    }
    return co_wait_dump(vm, progress, arg, e);
}

int co_qemu_dump(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    int r;

    if (!vm || !vm->committed)
        return err_vm_bad_power_state(e, uuid, "Paused", "Halted");
    if (vm->state != HV_STATE_PAUSED)
        return err_vm_bad_power_state(e, uuid, "Paused", "Running");
    qemu_vm_ref(vm);
    r = co_dump(vm, fd, progress, arg, e);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}
