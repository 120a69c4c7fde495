/*
 * A guest's memory while it runs: its balloon driver gives back what it is to do without, and slots take more
 * than it began with (pc-dimm, which ACPI tells the guest of). What came stays until the guest ends.
 */
#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "hv/platform.h"
#include "hv/qemu/devices.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000
#define TAKEN_MS 10000 /* for the guest's system to see memory that came */
#define GONE_MS 10000
#define ONLINE_MS 10000 /* for its agent to switch it on */
#define LOOK_MS 50
#define GIB ((int64_t)1 << 30)
#define ROOM_MAX (256 * GIB)
#define EMULATED_ADDRESS_BITS 40

/* ---- the balloon ---- */

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

/* ---- room ---- */

static unsigned address_bits(const char *accelerator)
{
    unsigned a, b, c, d;

    if (strcmp(accelerator, "kvm") == 0 && __get_cpuid(0x80000008, &a, &b, &c, &d) && (a & 0xff) >= 36)
        return (a & 0xff) < 52 ? a & 0xff : 52;
    return strcmp(accelerator, "kvm") == 0 ? 36 : EMULATED_ADDRESS_BITS;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* QEMU aligns what is in the slots to 1 GiB each, has a hole below 4 GiB, and wants up to 32 GiB behind it
 * all for devices. */
void qemu_memory_plan(struct qemu_layout *l, const struct hv_vm_spec *s, const struct hv_platform *p,
                      const char *accelerator)
{
    int64_t memory = (hv_memory_of(s) + GIB - 1) / GIB * GIB;
    int64_t reach = ((int64_t)1 << address_bits(accelerator)) - (QEMU_DIMMS_MAX + 40) * GIB - memory;
    int64_t host = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int64_t room = least(least(host, ROOM_MAX), reach) / GIB * GIB;

    if (!p->memory_hotplug || !p->acpi || room < GIB)
        return;
    l->slots = QEMU_DIMMS_MAX;
    l->memory_limit = memory + room;
}

/* ---- what is there ---- */

int64_t qemu_memory_of(const struct qemu_vm *vm, const struct qemu_layout *l)
{
    int64_t sum = json_integer_value(json_object_get(vm->shape, "memory"));

    for (unsigned i = 0; i < l->n_dimms; i++)
        sum += l->dimms[i];
    return sum;
}

/* They are filled from the first on, and none is emptied before those behind it. */
int co_qemu_ask_dimms(struct qemu_vm *vm, struct qemu_layout *l, struct err *e)
{
    json_t *list = NULL, *entry;
    int r = co_qemu_ask(vm, "query-memory-devices", NULL, &list, e);
    size_t i;

    memset(l->dimms, 0, sizeof l->dimms);
    json_array_foreach (list, i, entry) {
        const json_t *data = json_object_get(entry, "data");
        json_int_t slot = json_integer_value(json_object_get(data, "slot"));

        if (json_is_object(data) && slot >= 0 && slot < QEMU_DIMMS_MAX)
            l->dimms[slot] = json_integer_value(json_object_get(data, "size"));
    }
    json_decref(list);
    for (l->n_dimms = 0; l->n_dimms < QEMU_DIMMS_MAX && l->dimms[l->n_dimms] > 0;)
        l->n_dimms++;
    return r;
}

void co_qemu_hear_memory(struct qemu_vm *vm)
{
    CLEANUP_ERR struct err e = {0};
    struct qemu_layout l = vm->layout;

    vm->memory = qemu_memory_of(vm, &(struct qemu_layout){0});
    if (l.slots == 0)
        return;
    if (co_qemu_ask_dimms(vm, &l, &e) == 0)
        vm->memory = qemu_memory_of(vm, &l);
    else
        log_warning("what memory guest %s has is not known: %s", vm->uuid, e.code);
}

/* ---- whether the guest takes it ---- */

enum taking { UNHEARD, TAKEN, REFUSED };

/* The guest's system says by ACPI what became of what was put into a slot. */
static enum taking taking_of(const json_t *statuses, const char *id)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (statuses, i, entry) {
        const char *device = json_string_value(json_object_get(entry, "device"));

        if (!device || strcmp(device, id) != 0 || json_integer_value(json_object_get(entry, "source")) == 0)
            continue;
        return json_integer_value(json_object_get(entry, "status")) == 0 ? TAKEN : REFUSED;
    }
    return UNHEARD;
}

static enum taking co_ask_taking(struct qemu_vm *vm, const char *id)
{
    CLEANUP_ERR struct err e = {0};
    json_t *statuses = NULL;
    enum taking taking;

    co_qemu_ask(vm, "query-acpi-ospm-status", NULL, &statuses, &e);
    taking = taking_of(statuses, id);
    json_decref(statuses);
    return taking;
}

static enum taking co_wait_taking(struct qemu_vm *vm, const char *id)
{
    int64_t deadline = clock_in_ms(TAKEN_MS);
    enum taking taking;

    while ((taking = co_ask_taking(vm, id)) == UNHEARD && !vm->gone && clock_now() < deadline)
        if (co_sleep_until(clock_in_ms(LOOK_MS), "%s to take memory", vm->uuid) < 0)
            break;
    return taking;
}

/* Most systems switch memory on by themselves; where there is an agent, one that does not is helped. */
static void co_switch_on(struct qemu_vm *vm)
{
    int64_t deadline = clock_in_ms(ONLINE_MS);
    int r = 0;

    if (!vm->agent)
        return;
    guest_agent_set_grown(vm->agent, true);
    if (!guest_agent_is_there(vm->agent))
        return;
    guest_agent_order(vm->agent, ORDER_MEMORY);
    while (r == 0 && !vm->gone && vm->agent && !guest_agent_obeyed(vm->agent) &&
           !guest_agent_refused(vm->agent))
        r = co_cond_wait(&vm->changed, deadline, "%s to switch memory on", vm->uuid);
    if (r < 0 || !vm->agent || guest_agent_refused(vm->agent))
        log_info("the agent of guest %s does not switch its memory on", vm->uuid);
}

/* ---- more ---- */

static json_t *id_of(json_t *object)
{
    json_t *arguments = json_pack("{s:O}", "id", json_object_get(object, "id"));

    json_decref(object);
    return arguments;
}

/* Its backend alone is what an attempt that was cut short has left, and no memory of the guest. */
static void co_drop_backend(struct qemu_vm *vm, unsigned slot)
{
    CLEANUP_ERR struct err none = {0};

    co_qemu_ask(vm, "object-del", id_of(qemu_dimm_backend(slot, 0)), NULL, &none);
}

/* The guest does not use it, and lets go of it. 0 when it is gone. */
static int co_take_back(struct qemu_vm *vm, unsigned slot, const char *id)
{
    int64_t deadline = clock_in_ms(GONE_MS);
    CLEANUP_ERR struct err e = {0};
    int r = co_qemu_ask(vm, "device_del", id_of(qemu_dimm_device(slot)), NULL, &e);

    while (r == 0 && (r = co_qemu_has_device(vm, id, &e)) > 0 && clock_now() < deadline)
        r = co_sleep_until(clock_in_ms(LOOK_MS), "%s to be gone", id);
    if (r == 0)
        co_drop_backend(vm, slot);
    return r;
}

static int check_room(const struct qemu_vm *vm, const struct qemu_layout *l, int64_t max, int64_t missing,
                      struct err *e)
{
    char text[120];

    if (l->slots == 0)
        return err_operation_not_allowed(e, "The VM was started without room for more memory, which "
                                            "platform:memory-hotplug=true gives it at its next start");
    if (missing % HV_MEMORY_STEP != 0)
        return hv_memory_refuse_step(max, e);
    if (l->n_dimms >= l->slots)
        return err_operation_not_allowed(e, "All slots for memory are taken until the VM is started anew");
    if (max <= l->memory_limit)
        return 0;
    snprintf(text, sizeof text, "The VM can have at most %" PRId64 " bytes until it is started anew",
             l->memory_limit);
    return err_operation_not_allowed(e, text);
}

static int co_plug(struct qemu_vm *vm, unsigned slot, int64_t size, struct err *e)
{
    int r;

    fiber_mask_cancel();
    co_drop_backend(vm, slot);
    r = co_qemu_ask(vm, "object-add", qemu_dimm_backend(slot, size), NULL, e);
    if (r == 0 && (r = co_qemu_add_device(vm, qemu_dimm_device(slot), e)) < 0)
        co_drop_backend(vm, slot); /* which is refused if the device is there all the same */
    fiber_unmask_cancel();
    return r;
}

/* From here on it is the guest's, cancelled or not. */
static int co_settle(struct qemu_vm *vm, unsigned slot, struct err *e)
{
    char id[DEVICE_ID_SIZE];
    enum taking taking;

    snprintf(id, sizeof id, "dimm%u", slot);
    taking = co_wait_taking(vm, id);
    if (taking == REFUSED && co_take_back(vm, slot, id) == 0) {
        err_operation_not_allowed(e, "The guest's system does not take the memory");
        return -EPERM;
    }
    if (taking != TAKEN)
        log_info("guest %s does not say that it has taken %s", vm->uuid, id);
    return 0;
}

struct growth {
    int64_t max, target;
};

static void co_tell_balloon(struct qemu_vm *vm, int64_t target)
{
    CLEANUP_ERR struct err e = {0};
    json_t *now = NULL;

    fiber_mask_cancel();
    if (co_qemu_balloon(vm, target, &e) < 0)
        log_warning("guest %s is not told what memory it may have: %s", vm->uuid, e.code);
    else if (co_qemu_ask(vm, "query-balloon", NULL, &now, &e) == 0)
        qemu_report_memory(vm, now);
    json_decref(now);
    fiber_unmask_cancel();
}

static int co_grow(struct qemu_vm *vm, void *arg, struct err *e)
{
    const struct growth *g = arg;
    struct qemu_layout l = vm->layout;
    int r = l.slots > 0 ? co_qemu_ask_dimms(vm, &l, e) : 0;
    int64_t present = qemu_memory_of(vm, &l), missing = g->max - present;

    if (r == 0 && missing > 0) {
        r = check_room(vm, &l, g->max, missing, e);
        if (r == 0)
            r = co_plug(vm, l.n_dimms, missing, e);
        if (r == 0)
            r = co_settle(vm, l.n_dimms, e);
    }
    if (r < 0)
        return r;
    co_switch_on(vm);
    if (vm->gone)
        return -ESRCH;
    vm->memory = missing > 0 ? g->max : present;
    co_tell_balloon(vm, g->target);
    return 0;
}

int co_qemu_grow_memory(struct hv *hv, const char *uuid, int64_t max, int64_t target, struct err *e)
{
    struct growth g = {max, target};

    return co_qemu_with_guest(hv, uuid, co_grow, &g, e);
}
