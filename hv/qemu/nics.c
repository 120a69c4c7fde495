/* The NICs of a guest that is up. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
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
static int co_drop(struct qemu_vm *vm, const char *command, const char *key, const char *name, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    int r = co_qemu_ask(vm, command, json_pack("{s:s}", key, name), NULL, &refusal);

    if (r == 0 || r == -EREMOTEIO)
        return 0;
    err_move(e, &refusal);
    return r;
}

/* With the tap of one that was not made: as long as QEMU has it, it cannot be removed. */
int co_qemu_drop_netdev(struct qemu_vm *vm, unsigned number, struct err *e)
{
    char netdev[DEVICE_ID_SIZE], tap[DEVICE_ID_SIZE];
    int r;

    snprintf(netdev, sizeof netdev, "net%u", number);
    snprintf(tap, sizeof tap, "tap%u", number);
    r = co_drop(vm, "netdev_del", "id", netdev, e);
    return r < 0 ? r : co_drop(vm, "closefd", "fdname", tap, e);
}

int qemu_open_tap(const char *ifname)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    CLEANUP_FD int fd = -1;

    if (!ifname || !ifname[0] || strlen(ifname) >= sizeof r.ifr_name)
        return -EINVAL;
    memcpy(r.ifr_name, ifname, strlen(ifname));
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0 ? -errno : TAKE_FD(fd);
}

/* Give QEMU the tap, under a name. */
static int co_hand_over(struct qemu_vm *vm, const char *ifname, const char *name, struct err *e)
{
    CLEANUP_FD int fd = qemu_open_tap(ifname);
    int r = fd < 0 ? fd : qmp_pass_fd(vm->qmp, fd);

    if (r == 0)
        return co_qemu_ask(vm, "getfd", json_pack("{s:s}", "fdname", name), NULL, e);
    err_errno(e, r, "tap %s", ifname);
    return r;
}

/* A tap handed over takes the place of one of that name. */
static int co_add_netdev(struct qemu_vm *vm, const struct hv_nic *n, struct err *e)
{
    char tap[DEVICE_ID_SIZE];
    int r = 0;

    snprintf(tap, sizeof tap, "tap%u", n->device);
    if (n->backend == HV_NIC_TAP)
        r = co_hand_over(vm, n->ifname, tap, e);
    return r < 0 ? r : co_qemu_ask(vm, "netdev_add", qemu_netdev(n, tap), NULL, e);
}

static int co_plug(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct hv_nic *n = arg;
    int r = name_nic(vm, n);

    if (r < 0) {
        err_errno(e, r, "the notes of guest %s", vm->uuid);
        return r;
    }
    r = co_add_netdev(vm, n, e);
    if (r == -EREMOTEIO) { /* what a change that was cut short left is in the way */
        err_clear(e);
        r = co_qemu_drop_netdev(vm, n->device, e);
        if (r == 0)
            r = co_add_netdev(vm, n, e);
    }
    return r < 0 ? r
                 : co_qemu_add_device(vm, qemu_nic_device(n, vm->nic_model, vm->nics_boot, &vm->layout), e);
}

int co_qemu_plug_nic(struct hv *hv, const char *uuid, const struct hv_nic *n, struct err *e)
{
    struct hv_nic copy = *n;

    return co_qemu_with_guest(hv, uuid, co_plug, &copy, e);
}
