/* Giving devices to a guest that is up, and taking them: what is the same for disks and NICs. */
#include "hv/qemu/devices.h"
#include "hv/qemu/access.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/clock.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000
#define GONE_MS 5000
#define ASK_AGAIN_MS 1000 /* a guest that is still booting does not hear the first request */

void qemu_device_id(char id[DEVICE_ID_SIZE], enum hv_device_kind kind, unsigned number)
{
    snprintf(id, DEVICE_ID_SIZE, "%s%u", kind == HV_DEVICE_NIC ? "nic" : "disk", number);
}

int co_qemu_with_guest(struct hv *hv, const char *uuid, co_qemu_change *co_do, void *arg, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    CLEANUP_ERR struct err refusal = {0};
    int r;

    if (!vm)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    qemu_vm_ref(vm);
    r = co_do(vm, arg, &refusal);
    if (r < 0 && vm->gone)
        err_vm_bad_power_state(e, uuid, "Running", "Halted");
    else if (r < 0)
        err_move(e, &refusal);
    qemu_vm_unref(vm);
    return r < 0 ? -1 : 0;
}

int co_qemu_ask(struct qemu_vm *vm, const char *command, json_t *arguments, json_t **ret, struct err *e)
{
    return co_qmp_command(vm->qmp, command, arguments, clock_in_ms(COMMAND_MS), ret, e);
}

int co_qemu_has_device(struct qemu_vm *vm, const char *id, struct err *e)
{
    json_t *list = NULL, *entry;
    int r = co_qemu_ask(vm, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), &list, e);
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));

        if (name && strcmp(name, id) == 0)
            r = 1;
    }
    json_decref(list);
    return r;
}

int co_qemu_add_device(struct qemu_vm *vm, json_t *arguments, struct err *e)
{
    if (!vm->acpi || !arguments) {
        json_decref(arguments);
        if (!vm->acpi)
            err_vm_lacks_feature(e, vm->uuid);
        else
            err_internal(e, "a value of a device is missing or is not UTF-8");
        return -EINVAL;
    }
    if (qemu_vm_note_changed(vm, e) < 0) {
        json_decref(arguments);
        return -EIO;
    }
    return co_qemu_ask(vm, "device_add", arguments, NULL, e);
}

/* ---- look ---- */

struct place {
    enum hv_device_kind kind;
    unsigned number;
    bool force;
    int64_t deadline;
    enum hv_presence presence;
};

static int co_look(struct qemu_vm *vm, void *arg, struct err *e)
{
    struct place *p = arg;
    char id[DEVICE_ID_SIZE];
    int r;

    if (p->kind == HV_DEVICE_DISK)
        return co_qemu_look_at_drive(vm, p->number, &p->presence, e);
    qemu_device_id(id, p->kind, p->number);
    r = co_qemu_has_device(vm, id, e);
    if (r < 0)
        return r;
    p->presence = r ? HV_PRESENT : HV_ABSENT;
    return r ? 0 : co_qemu_drop_netdev(vm, p->number, e);
}

int co_qemu_look(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number,
                 enum hv_presence *ret, struct err *e)
{
    struct place p = {.kind = kind, .number = number};

    if (co_qemu_with_guest(hv, uuid, co_look, &p, e) < 0)
        return -1;
    *ret = p.presence;
    return 0;
}

/* ---- unplug ---- */

void qemu_device_event(struct qemu_vm *vm, const char *id, bool refused)
{
    struct qemu_unplug *w;

    TAILQ_FOREACH (w, &vm->unplugs, link)
        if (strcmp(w->id, id) == 0)
            *(refused ? &w->refused : &w->gone) = true;
    fiber_cond_broadcast(&vm->changed);
}

/* Ask for it once more, and wait a little. An event may be lost with the connection it came on, so that what
 * is there counts, not what was told. QEMU refuses a request while one is under way, or when it was obeyed.
 */
static int co_ask_for(struct qemu_vm *vm, struct qemu_unplug *w, int64_t deadline, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    int64_t again = clock_in_ms(ASK_AGAIN_MS);
    int r;

    if (qemu_vm_note_changed(vm, e) < 0)
        return -EIO;
    r = co_qemu_ask(vm, "device_del", json_pack("{s:s}", "id", w->id), NULL, &refusal);

    if (r < 0 && r != -EREMOTEIO) {
        err_move(e, &refusal);
        return r;
    }
    for (r = 0; r == 0 && !w->gone && !w->refused && !vm->gone;)
        r = co_cond_wait(&vm->changed, again < deadline ? again : deadline, "%s to let go of %s", vm->uuid,
                         w->id);
    if (r < 0 && r != -ETIMEDOUT) {
        err_errno(e, r, "unplugging %s", w->id);
        return r;
    }
    r = co_qemu_has_device(vm, w->id, e);
    w->gone = r == 0;
    return r < 0 ? r : 0;
}

/* QEMU gives up what is behind a device a moment after the device. */
static int co_tear_out(struct qemu_vm *vm, struct qemu_unplug *w, struct err *e)
{
    int64_t deadline = clock_in_ms(GONE_MS);
    int r = co_qemu_tear_out(vm, w->id, e);

    for (int waited = 0; r == 0 && waited == 0 && !w->gone && !vm->gone;)
        waited = co_cond_wait(&vm->changed, deadline, "%s to be gone from %s", w->id, vm->uuid);
    w->gone = w->gone || r == 0;
    return r;
}

static int co_let_go(struct qemu_vm *vm, const struct place *p, const char *id, struct err *e)
{
    const char *kind = p->kind == HV_DEVICE_NIC ? "VIF" : "VBD";
    struct qemu_unplug w = {.id = id};
    int r = 0;

    TAILQ_INSERT_TAIL(&vm->unplugs, &w, link);
    do {
        r = co_ask_for(vm, &w, p->deadline, e);
    } while (r == 0 && !w.gone && !w.refused && clock_now() < p->deadline);
    if (r == 0 && !w.gone && p->force)
        r = co_tear_out(vm, &w, e);
    TAILQ_REMOVE(&vm->unplugs, &w, link);
    if (r < 0 || w.gone)
        return r;
    if (w.refused)
        err_device_detach_rejected(e, kind, id, "the guest does not let go of it");
    else
        err_device_detach_timeout(e, kind, id);
    return -EBUSY;
}

static int co_unplug(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct place *p = arg;
    char id[DEVICE_ID_SIZE];
    int newest, r;

    qemu_device_id(id, p->kind, p->number);
    r = co_let_go(vm, p, id, e);
    if (r < 0)
        return r;
    if (p->kind == HV_DEVICE_NIC)
        return co_qemu_drop_netdev(vm, p->number, e);
    r = co_qemu_drop_nodes(vm, p->number, &newest, e);
    if (r == 0)
        qemu_access_revoke(vm, (int)p->number);
    return r;
}

int co_qemu_unplug(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number, bool force,
                   int64_t deadline, struct err *e)
{
    struct place p = {.kind = kind, .number = number, .force = force, .deadline = deadline};

    return co_qemu_with_guest(hv, uuid, co_unplug, &p, e);
}
