/* The NICs of a guest that is up. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/hardware.h"
#include "lib/mem.h"

/* Whose addresses are which device's: for the guest's agent, and for later daemons. */
static int name_nic(struct qemu_vm *vm, const struct hv_nic *n)
{
    unsigned i;

    for (i = 0; i < vm->n_nics && vm->nics[i].device != n->device;)
        i++;
    if (i == vm->n_nics) {
        vm->nics = mem_resize(vm->nics, (vm->n_nics + 1) * sizeof *vm->nics);
        vm->n_nics++;
    }
    memset(&vm->nics[i], 0, sizeof vm->nics[i]);
    vm->nics[i].device = n->device;
    snprintf(vm->nics[i].mac, sizeof vm->nics[i].mac, "%s", n->mac);
    if (vm->agent)
        guest_agent_set_nics(vm->agent, vm->nics, vm->n_nics);
    return qemu_spec_save(vm);
}

/* QEMU refuses when there is none, which is as good. */
int co_qemu_drop_netdev(struct qemu_vm *vm, unsigned number, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    char netdev[DEVICE_ID_SIZE];
    int r;

    snprintf(netdev, sizeof netdev, "net%u", number);
    r = co_qemu_ask(vm, "netdev_del", json_pack("{s:s}", "id", netdev), NULL, &refusal);
    if (r == 0 || r == -EREMOTEIO)
        return 0;
    err_move(e, &refusal);
    return r;
}

static int co_plug(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct hv_nic *n = arg;
    int r = name_nic(vm, n);

    if (r < 0) {
        err_errno(e, r, "the notes of guest %s", vm->uuid);
        return r;
    }
    r = co_qemu_drop_netdev(vm, n->device, e);
    if (r == 0)
        r = co_qemu_ask(vm, "netdev_add", qemu_netdev(n), NULL, e);
    return r < 0 ? r
                 : co_qemu_add_device(vm, qemu_nic_device(n, vm->nic_model, vm->nics_boot, &vm->layout), e);
}

int co_qemu_plug_nic(struct hv *hv, const char *uuid, const struct hv_nic *n, struct err *e)
{
    struct hv_nic copy = *n;

    return co_qemu_with_guest(hv, uuid, co_plug, &copy, e);
}
