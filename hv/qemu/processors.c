/*
 * A guest's processors while it runs: how many there are, and which share of the host's they get.
 *
 * QEMU has a place for each of the VCPUs_max processors (query-hotpluggable-cpus); device_add fills one,
 * device_del asks the guest by ACPI to give one up, which it may take its time for or refuse.
 *
 * They are asked back one at a time, the last first. A guest that is asked for several at once gives up the
 * first of them first, and QEMU's own APIC (without KVM) looks for the targets of an interrupt only up to the
 * first empty place: the processors behind it would not hear of each other again, and the guest would hang.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "model/errors.gen.h"

#define COMMAND_MS 10000
#define UNPLUG_MS 30000
#define SWITCH_ON_MS 5000
#define AGAIN_MS 2000
#define LOOK_MS 50
#define SLOTS_MAX 512 /* QEMU's "pc" ends at 255 */
#define PART_MAX 4096 /* of each number in the place of a processor */

/* ---- commands ---- */

static int co_ask(struct qemu_vm *vm, const char *command, json_t *arguments, json_t **ret, struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    int r = co_qmp_command(vm->qmp, command, arguments, clock_in_ms(COMMAND_MS), ret, &refusal);

    if (r < 0 && vm->gone)
        return err_vm_bad_power_state(e, vm->uuid, "Running", "Halted");
    if (r < 0)
        err_move(e, &refusal);
    return r < 0 ? -1 : 0;
}

/* ---- the number ---- */

/* Where a processor sits, as one number: sockets count most. -1 when QEMU says no such thing. */
static int64_t place_of(const json_t *slot)
{
    static const char *const parts[] = {"socket-id", "die-id", "core-id", "thread-id"};
    const json_t *props = json_object_get(slot, "props");
    int64_t place = json_is_object(props) ? 0 : -1;

    for (size_t i = 0; place >= 0 && i < sizeof parts / sizeof *parts; i++) {
        json_int_t n = json_integer_value(json_object_get(props, parts[i]));

        place = n < 0 || n >= PART_MAX ? -1 : place * PART_MAX + n;
    }
    return place;
}

static bool is_filled(const json_t *slot)
{
    return json_is_string(json_object_get(slot, "qom-path"));
}

static unsigned count_filled(const json_t *slots)
{
    const json_t *slot;
    unsigned n = 0;
    size_t i;

    json_array_foreach (slots, i, slot)
        n += is_filled(slot);
    return n;
}

int qemu_count_processors(const json_t *slots)
{
    int64_t last_filled = -1, first_empty = INT64_MAX;
    const json_t *slot;
    size_t i;

    json_array_foreach (slots, i, slot) {
        int64_t place = place_of(slot);

        if (is_filled(slot) && place > last_filled)
            last_filled = place;
        if (!is_filled(slot) && place < first_empty)
            first_empty = place;
    }
    return last_filled < first_empty ? (int)count_filled(slots) : -1;
}

/* The last of the filled places, or the first of the empty ones; those that were asked for are left
 * out. */
static size_t choose(const json_t *slots, bool filled, const bool *asked)
{
    size_t best = SIZE_MAX, i;
    const json_t *slot;

    json_array_foreach (slots, i, slot) {
        int64_t place = place_of(slot), other;

        if (place < 0 || is_filled(slot) != filled || asked[i])
            continue;
        other = best == SIZE_MAX ? -1 : place_of(json_array_get(slots, best));
        if (best == SIZE_MAX || (filled ? place > other : place < other))
            best = i;
    }
    return best;
}

static json_t *addition(const json_t *slot)
{
    json_t *arguments = json_copy(json_object_get(slot, "props"));

    json_object_set(arguments, "driver", json_object_get(slot, "type"));
    return arguments;
}

static json_t *removal(const json_t *slot)
{
    return json_pack("{s:O}", "id", json_object_get(slot, "qom-path"));
}

static int co_ask_slots(struct qemu_vm *vm, json_t **ret, struct err *e)
{
    if (co_ask(vm, "query-hotpluggable-cpus", NULL, ret, e) < 0)
        return -1;
    if (json_is_array(*ret) && json_array_size(*ret) <= SLOTS_MAX)
        return 0;
    json_decref(*ret);
    return err_internal(e, "QEMU of %s does not say which processors it has", vm->uuid);
}

/* Add as many as are missing, or ask back one of those that are too many. */
static int co_change_count(struct qemu_vm *vm, const json_t *slots, unsigned wanted, struct err *e)
{
    unsigned now = count_filled(slots), n = wanted > now ? wanted - now : now > wanted;
    bool fewer = wanted < now, asked[SLOTS_MAX] = {false};

    if (wanted > json_array_size(slots))
        return err_internal(e, "QEMU of %s has no place for %u processors", vm->uuid, wanted);
    if (n > 0 && qemu_vm_note_changed(vm, e) < 0)
        return -1;
    for (; n > 0; n--) {
        size_t i = choose(slots, fewer, asked);
        const json_t *slot = json_array_get(slots, i);

        if (!slot)
            return err_internal(e, "QEMU of %s does not say where its processors are", vm->uuid);
        asked[i] = true;
        if (co_ask(vm, fewer ? "device_del" : "device_add", fewer ? removal(slot) : addition(slot), NULL, e) <
            0)
            return -1;
    }
    return 0;
}

/* How many there are, asking once more for a change to the wanted number if so told. */
static int co_look(struct qemu_vm *vm, unsigned wanted, bool ask, unsigned *now, struct err *e)
{
    json_t *slots;
    int r;

    if (co_ask_slots(vm, &slots, e) < 0)
        return -1;
    *now = count_filled(slots);
    r = ask && *now != wanted ? co_change_count(vm, slots, wanted, e) : 0;
    json_decref(slots);
    return r;
}

/* When the guest is asked, and until when. */
struct patience {
    unsigned seen; /* processors at the last look */
    int64_t ask_at, deadline;
};

/* The guest has its time for each of them. */
static void note_progress(struct patience *p, unsigned now)
{
    if (now != p->seen)
        *p = (struct patience){now, .ask_at = 0, .deadline = clock_in_ms(UNPLUG_MS)};
}

/* A guest that is just switching a processor on may let a request to give it up pass, so it is asked again.
 */
static int co_set_count(struct qemu_vm *vm, unsigned wanted, unsigned *now, struct err *e)
{
    struct patience p = {.deadline = clock_in_ms(UNPLUG_MS)};
    CLEANUP_ERR struct err ignored = {0};

    while (clock_now() < p.deadline) {
        bool ask = clock_now() >= p.ask_at;
        int r = co_look(vm, wanted, ask && vm->acpi, now, e);

        if (r < 0)
            co_look(vm, wanted, false, now, &ignored); /* some may be done */
        if (r < 0 || *now == wanted)
            return r;
        if (!vm->acpi)
            return err_vm_lacks_feature(e, vm->uuid);
        note_progress(&p, *now);
        if (ask)
            p.ask_at = clock_in_ms(AGAIN_MS);
        r = co_sleep_until(clock_in_ms(LOOK_MS), "processors of %s", vm->uuid);
        if (r < 0)
            return err_errno(e, r, "processors of %s", vm->uuid);
    }
    return err_operation_not_allowed(e, "The guest did not give up its processors");
}

/* ---- without KVM ---- */

/* QEMU 7.2 forgets to take a processor's listener out of the guest's memory when it removes one that it
 * emulated itself: the next change of that memory (a device that is plugged, a processor that is added, a
 * reboot) writes to what was freed, and the process ends. So such processors stay, and the guest's agent
 * switches them off. */
static bool can_remove(const struct qemu_vm *vm)
{
    return strcmp(vm->hv->accelerator, "kvm") == 0;
}

static int co_wait_answered(struct qemu_vm *vm, int64_t deadline)
{
    int r = 0;

    while (r == 0 && !vm->gone && vm->agent && !guest_agent_obeyed(vm->agent) &&
           !guest_agent_refused(vm->agent))
        r = co_cond_wait(&vm->changed, deadline, "%s to switch processors", vm->uuid);
    return r;
}

/* Have the agent use `wanted` of those that are there. */
static int co_switch(struct qemu_vm *vm, unsigned wanted, unsigned present, int64_t deadline, struct err *e)
{
    int r;

    if (!vm->agent || !guest_agent_is_there(vm->agent))
        return err_operation_not_allowed(e,
                                         "Without KVM only the guest's agent can switch processors off, and "
                                         "there is none");
    if (qemu_vm_note_changed(vm, e) < 0)
        return -1;
    guest_agent_order_processors(vm->agent, wanted, present);
    r = co_wait_answered(vm, deadline);
    if (r == 0 && vm->agent && guest_agent_obeyed(vm->agent))
        return 0;
    if (vm->agent)
        guest_agent_order(vm->agent, ORDER_NONE);
    if (r == -ECANCELED)
        return err_errno(e, r, "processors of %s", vm->uuid);
    return err_operation_not_allowed(e, "The guest did not switch its processors");
}

/* Those that were switched off before are switched on again, where the guest has an agent; new ones come as
 * the guest has it, and its agent may not see them yet. */
static int co_set_emulated(struct qemu_vm *vm, unsigned wanted, unsigned *now, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    unsigned present;
    int r = co_look(vm, wanted, false, &present, e);

    if (r == 0 && wanted < present)
        r = co_switch(vm, wanted, present, clock_in_ms(UNPLUG_MS), e);
    else if (r == 0)
        r = co_set_count(vm, wanted, &present, e);
    if (r < 0)
        return r;
    if (wanted == present && vm->agent && guest_agent_is_there(vm->agent))
        co_switch(vm, wanted, present, clock_in_ms(SWITCH_ON_MS), &ignored);
    *now = wanted;
    return 0;
}

/* ---- the share ---- */

/* Threads that QEMU names are believed to be its own only if the kernel says so. */
static bool is_thread_of(const struct qemu_vm *vm, json_int_t tid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task/%" JSON_INTEGER_FORMAT, (int)vm->process.pid, tid);
    return tid > 0 && access(path, F_OK) == 0;
}

static int pin(struct qemu_vm *vm, const json_t *cpus, const cpu_set_t *mask)
{
    const json_t *cpu;
    size_t i;

    json_array_foreach (cpus, i, cpu) {
        json_int_t tid = json_integer_value(json_object_get(cpu, "thread-id"));

        if (is_thread_of(vm, tid) && sched_setaffinity((pid_t)tid, sizeof *mask, mask) < 0 && errno != ESRCH)
            return -errno;
    }
    return 0;
}

int co_qemu_pin(struct qemu_vm *vm, const struct hv_schedule *s, struct err *e)
{
    cpu_set_t mask = s->mask;
    json_t *cpus;
    int r;

    for (int i = 0; !s->masked && i < CPU_SETSIZE; i++)
        CPU_SET(i, &mask);
    if (co_ask(vm, "query-cpus-fast", NULL, &cpus, e) < 0)
        return -1;
    r = pin(vm, cpus, &mask);
    json_decref(cpus);
    if (r == -EINVAL)
        return err_invalid_value(e, "VCPUs_params:mask", "none of these processors is there");
    return r < 0 ? err_errno(e, r, "pinning the processors of %s", vm->uuid) : 0;
}

void qemu_enter_cgroup(struct qemu_vm *vm, const struct hv_schedule *s)
{
    const struct cgroups *c = &vm->hv->cgroups;
    int r = cgroup_add(c, vm->uuid, vm->process.pid);

    if (r == 0)
        r = cgroup_set(c, vm->uuid, s);
    if (r < 0)
        log_warning("the cgroup of %s: %s", vm->uuid, strerror(-r));
}

/* ---- the driver's function ---- */

int co_qemu_set_processors(struct hv *hv, const char *uuid, unsigned n, const struct map *params,
                           unsigned *ret_now, struct err *e)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    struct hv_schedule s;
    int r = 0;

    if (!vm)
        return err_vm_bad_power_state(e, uuid, "Running", "Halted");
    if (hv_schedule_read(params, &s, e) < 0)
        return -1;
    qemu_vm_ref(vm);
    if (n > 0)
        r = can_remove(vm) ? co_set_count(vm, n, ret_now, e) : co_set_emulated(vm, n, ret_now, e);
    if (r == 0)
        r = co_qemu_pin(vm, &s, e);
    if (r == 0 && !vm->gone)
        qemu_enter_cgroup(vm, &s);
    qemu_vm_unref(vm);
    return r;
}
