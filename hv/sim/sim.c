#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/hv.h"
#include "hv/platform.h"
#include "hv/schedule.h"
#include "hv/sim/sim.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

/* ---- the table ---- */

static unsigned bucket_of(const char *uuid)
{
    unsigned h = 2166136261u;

    for (; *uuid; uuid++)
        h = (h ^ (unsigned char)*uuid) * 16777619u;
    return h % SIM_BUCKETS;
}

static struct sim_vm *find(struct sim_hv *s, const char *uuid)
{
    struct sim_vm *vm;

    LIST_FOREACH (vm, &s->buckets[bucket_of(uuid)], in_bucket)
        if (strcmp(vm->record.uuid, uuid) == 0)
            return vm;
    return NULL;
}

struct sim_vm *sim_find_started(struct sim_hv *s, const char *uuid)
{
    struct sim_vm *vm = find(s, uuid);

    return vm && vm->committed ? vm : NULL;
}

static void agent_cb(struct ev_loop *loop, ev_timer *w, int revents);
static void life_cb(struct ev_loop *loop, ev_timer *w, int revents);

static struct sim_vm *add_vm(struct sim_hv *s, const struct sim_record *record)
{
    struct sim_vm *vm = mem_zalloc(sizeof *vm);

    vm->hv = s;
    vm->record = *record;
    ev_timer_init(&vm->agent_timer, agent_cb, 0, 0);
    ev_timer_init(&vm->life_timer, life_cb, 0, 0);
    vm->agent_timer.data = vm->life_timer.data = vm;
    TAILQ_INSERT_TAIL(&s->vms, vm, link);
    LIST_INSERT_HEAD(&s->buckets[bucket_of(record->uuid)], vm, in_bucket);
    return vm;
}

static void drop_vm(struct sim_vm *vm)
{
    ev_timer_stop(loop_get(), &vm->agent_timer);
    ev_timer_stop(loop_get(), &vm->life_timer);
    TAILQ_REMOVE(&vm->hv->vms, vm, link);
    LIST_REMOVE(vm, in_bucket);
    free(vm);
}

void sim_facts(const struct sim_vm *vm, struct hv_vm_facts *ret)
{
    *ret = (struct hv_vm_facts){.state = vm->record.paused ? HV_STATE_PAUSED : HV_STATE_RUNNING,
                                .domid = vm->record.domid,
                                .start_time = vm->record.start_time,
                                .vnc = vm->record.vnc,
                                .serial = true,
                                .held = vm->record.held,
                                .crashed = vm->record.crashed,
                                .memory_max = vm->record.memory,
                                .passage = vm->record.passage};
}

/* ---- reports ---- */

static void report(struct sim_hv *s, const char *uuid, enum hv_report_kind kind, enum hv_stop_reason reason,
                   const struct hv_guest_info *info)
{
    struct hv_report r = {.kind = kind, .reason = reason, .info = info};

    memcpy(r.uuid, uuid, sizeof r.uuid);
    if (s->report)
        s->report(&r, s->report_arg);
}

static void end_vm(struct sim_vm *vm, enum hv_stop_reason reason)
{
    struct sim_hv *s = vm->hv;
    char uuid[UUID_TEXT_SIZE];
    bool is_news = sim_is_here(vm);

    memcpy(uuid, vm->record.uuid, sizeof uuid);
    sim_store_remove(s->store, uuid);
    drop_vm(vm);
    if (is_news)
        report(s, uuid, HV_REPORT_STOPPED, reason, NULL);
}

/* ---- what a guest does by itself ---- */

static void start_timer(ev_timer *t, int64_t delay)
{
    ev_timer_set(t, (double)delay / 1e9, 0);
    ev_timer_start(loop_get(), t);
}

bool sim_is_here(const struct sim_vm *vm)
{
    return vm->record.passage == HV_PASSAGE_NONE || vm->record.passage == HV_PASSAGE_LEAVING;
}

void sim_begin_life(struct sim_vm *vm)
{
    struct sim_fate agent = sim_script_next(&vm->hv->script, SIM_AGENT);
    struct sim_fate life = sim_script_next(&vm->hv->script, SIM_LIFE);

    vm->lives = true;
    if (!agent.off)
        start_timer(&vm->agent_timer, agent.delay);
    if (life.happens)
        start_timer(&vm->life_timer, life.delay);
}

void sim_end_life(struct sim_vm *vm)
{
    vm->lives = false;
    ev_timer_stop(loop_get(), &vm->agent_timer);
    ev_timer_stop(loop_get(), &vm->life_timer);
}

/* "10.x.y.z" made of the uuid and the device, so that it is the same after each start. */
static void address_of(const struct sim_vm *vm, unsigned device, char text[16])
{
    unsigned h = bucket_of(vm->record.uuid) * 64 + device;

    snprintf(text, 16, "10.%u.%u.%u", h >> 16 & 255, h >> 8 & 255, h & 255);
}

static const struct map *addresses_of(void *ctx, const struct sim_vm *vm)
{
    const struct map *m = NULL;

    for (unsigned device = 0; device < 64; device++) {
        char key[24], text[16];

        if (!(vm->record.devices >> device & 1))
            continue;
        address_of(vm, device, text);
        snprintf(key, sizeof key, "%u/ip", device);
        m = map_with(ctx, m, key, text);
        snprintf(key, sizeof key, "%u/ipv4/0", device);
        m = map_with(ctx, m, key, text);
    }
    return m;
}

static void agent_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct sim_vm *vm = w->data;
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct hv_guest_info info = {.agent_version = "1.0", .hostname = "sim"};

    vm->agent = true;
    info.addresses = addresses_of(ctx, vm);
    info.os = map_with(ctx, NULL, "name", "Simulated guest");
    report(vm->hv, vm->record.uuid, HV_REPORT_GUEST_INFO, 0, &info);
}

static void crash(struct sim_vm *vm)
{
    vm->record.paused = vm->record.crashed = true;
    sim_store_set_state(vm->hv->store, &vm->record);
    report(vm->hv, vm->record.uuid, HV_REPORT_CRASHED, 0, NULL);
}

static void life_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    static const enum hv_stop_reason reasons[] = {
        [SIM_END_SHUTDOWN] = HV_STOP_GUEST_SHUTDOWN,
        [SIM_END_KILLED] = HV_STOP_KILLED,
    };
    struct sim_vm *vm = w->data;
    enum sim_end end = vm->hv->script.rules[SIM_LIFE].end;

    if (end == SIM_END_REBOOT)
        report(vm->hv, vm->record.uuid, HV_REPORT_REBOOTED, 0, NULL);
    else if (end == SIM_END_CRASH)
        crash(vm);
    else
        end_vm(vm, reasons[end]);
}

/* ---- operations ---- */

int sim_fail_halted(struct err *e, const char *uuid)
{
    return err_vm_bad_power_state(e, uuid, "Running", "Halted");
}

int co_sim_meet_fate(struct sim_hv *s, enum sim_op op, const char *uuid, int64_t deadline, struct err *e)
{
    struct sim_fate fate = sim_script_next(&s->script, op);
    const char *name = sim_op_name(op);
    int64_t begin = clock_now(), until = fate.hang ? CLOCK_NEVER : begin + fate.delay;
    int r = fault_point(FAULT_QMP, name);
    char seconds[24];

    if (r == 0 && (fate.hang || fate.delay > 0))
        r = co_sleep_until(until < deadline ? until : deadline, "sim %s of %s", name, uuid);
    if (r < 0)
        return err_errno(e, r, "sim %s of %s", name, uuid);
    if (deadline < until) {
        snprintf(seconds, sizeof seconds, "%" PRId64, (deadline - begin) / 1000000000);
        return err_vm_shutdown_timeout(e, uuid, seconds);
    }
    if (fate.fail && strcmp(s->script.rules[op].error, "INTERNAL_ERROR") != 0)
        return err_set(e, s->script.rules[op].error, 1, uuid);
    return fate.fail ? err_internal(e, "sim %s of %s was told to fail", name, uuid) : 0;
}

static uint64_t devices_of(const struct hv_vm_spec *spec)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < spec->n_nics; i++)
        if (spec->nics[i].device < 64)
            bits |= 1ULL << spec->nics[i].device;
    return bits;
}

static void set_disks(struct sim_record *record, const struct hv_vm_spec *spec)
{
    for (unsigned i = 0; i < spec->n_disks; i++) {
        sim_record_set(record, SIM_DISK, spec->disks[i].userdevice, true);
        sim_record_set(record, SIM_MEDIUM, spec->disks[i].userdevice, spec->disks[i].path != NULL);
    }
}

static int commit(struct sim_vm *vm, struct err *e)
{
    int r;

    vm->record.start_time = clock_wall();
    r = sim_store_add(vm->hv->store, &vm->record);
    if (r < 0)
        return err_errno(e, r, "start of %s", vm->record.uuid);
    vm->committed = true;
    if (sim_is_here(vm))
        sim_begin_life(vm);
    return 0;
}

/* Read what co_sim_save wrote, for this guest or one that it is a clone of; what follows is nobody's. */
static int co_read_state(int fd, const char *uuid, struct err *e)
{
    static const char begin[] = "simulated ";
    char text[sizeof begin - 1 + UUID_TEXT_SIZE]; /* and a newline */
    size_t n = 0;

    while (n < sizeof text) {
        int r = co_wait_fd(fd, EV_READ, clock_in_ms(60000), "the state of %s", uuid);
        ssize_t got = r < 0 ? r : read(fd, text + n, sizeof text - n);

        if (got <= 0)
            return err_errno(e, r < 0 ? r : -EIO, "the state of %s", uuid);
        n += (size_t)got;
    }
    text[sizeof text - 1] = '\0';
    bool good = memcmp(text, begin, sizeof begin - 1) == 0 && uuid_is_valid(text + sizeof begin - 1);
    return good ? 0 : err_internal(e, "this is no state of %s", uuid);
}

int co_sim_bring_up(struct sim_hv *s, const struct hv_vm_spec *spec, const struct sim_record *how,
                    enum sim_op op, struct hv_vm_facts *ret, struct err *e)
{
    struct sim_record record = *how;
    struct sim_vm *vm = find(s, spec->uuid);
    struct hv_platform platform;
    struct hv_schedule schedule;
    char domid[24];

    if (vm) {
        snprintf(domid, sizeof domid, "%" PRId64, vm->record.domid);
        return err_domain_exists(e, spec->uuid, domid);
    }
    if (hv_platform_read(spec, &platform, e) < 0 || hv_schedule_read(spec->vcpus_params, &schedule, e) < 0)
        return -1;
    memcpy(record.uuid, spec->uuid, sizeof record.uuid);
    record.domid = spec->domid;
    record.vnc = spec->boot != HV_BOOT_KERNEL;
    record.devices = devices_of(spec);
    record.acpi = platform.acpi;
    record.memory = hv_memory_of(spec);
    set_disks(&record, spec);
    vm = add_vm(s, &record);
    if (co_sim_meet_fate(s, op, record.uuid, CLOCK_NEVER, e) < 0 ||
        (spec->state_fd > 0 && co_read_state(spec->state_fd, record.uuid, e) < 0) || commit(vm, e) < 0) {
        drop_vm(vm); /* nobody else drops one that is not committed */
        return -1;
    }
    sim_facts(vm, ret);
    return 0;
}

static int co_sim_start(struct hv *hv, const struct hv_vm_spec *spec, struct hv_vm_facts *ret, struct err *e)
{
    bool restored = spec->state_fd > 0;
    const struct sim_record how = {.paused = spec->start_paused || restored, .held = restored};

    return co_sim_bring_up(sim_of(hv), spec, &how, SIM_START, ret, e);
}

static void set_state(struct sim_vm *vm, bool paused, bool held)
{
    bool before = vm->record.paused, was_held = vm->record.held;

    if (before == paused && was_held == held)
        return;
    vm->record.paused = paused;
    vm->record.held = held;
    vm->record.crashed = vm->record.crashed && paused;
    sim_store_set_state(vm->hv->store, &vm->record);
    if (before != paused && !held && !was_held)
        report(vm->hv, vm->record.uuid, paused ? HV_REPORT_PAUSED : HV_REPORT_RESUMED, 0, NULL);
}

static int co_set_paused(struct hv *hv, const char *uuid, enum sim_op op, bool paused, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm;

    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    if (co_sim_meet_fate(s, op, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (!vm)
        return sim_fail_halted(e, uuid);
    set_state(vm, paused, vm->record.held && paused);
    return 0;
}

static int co_sim_pause(struct hv *hv, const char *uuid, struct err *e)
{
    return co_set_paused(hv, uuid, SIM_PAUSE, true, e);
}

static int co_sim_unpause(struct hv *hv, const char *uuid, struct err *e)
{
    return co_set_paused(hv, uuid, SIM_UNPAUSE, false, e);
}

static int check_running(struct sim_hv *s, const char *uuid, struct err *e)
{
    const struct sim_vm *vm = sim_find_started(s, uuid);

    if (!vm || vm->record.paused)
        return err_vm_bad_power_state(e, uuid, "Running", vm ? "Paused" : "Halted");
    return 0;
}

static int co_sim_shutdown(struct hv *hv, const char *uuid, int64_t deadline, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm;

    if (check_running(s, uuid, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (!vm->agent && !vm->record.acpi)
        return err_vm_lacks_feature(e, uuid);
    if (co_sim_meet_fate(s, SIM_SHUTDOWN, uuid, deadline, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (vm)
        end_vm(vm, HV_STOP_GUEST_SHUTDOWN);
    return 0;
}

static int co_sim_reboot(struct hv *hv, const char *uuid, int64_t deadline, struct err *e)
{
    struct sim_hv *s = sim_of(hv);

    if (check_running(s, uuid, e) < 0)
        return -1;
    if (!sim_find_started(s, uuid)->agent)
        return err_vm_lacks_feature(e, uuid);
    if (co_sim_meet_fate(s, SIM_REBOOT, uuid, deadline, e) < 0)
        return -1;
    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    report(s, uuid, HV_REPORT_REBOOTED, 0, NULL);
    return 0;
}

static int co_sim_stop(struct hv *hv, const char *uuid, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm;

    if (!sim_find_started(s, uuid))
        return 0;
    if (co_sim_meet_fate(s, SIM_STOP, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (vm)
        end_vm(vm, HV_STOP_REQUESTED);
    return 0;
}

static int co_sim_reset(struct hv *hv, const char *uuid, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm;

    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    if (co_sim_meet_fate(s, SIM_RESET, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (!vm)
        return sim_fail_halted(e, uuid);
    vm->record.crashed = false; /* and it stands still as before */
    sim_store_set_state(s->store, &vm->record);
    return 0;
}

static int co_sim_trigger(struct hv *hv, const char *uuid, enum hv_trigger trigger, char key, struct err *e)
{
    struct sim_hv *s = sim_of(hv);

    if (check_running(s, uuid, e) < 0 || co_sim_meet_fate(s, SIM_TRIGGER, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    return trigger == HV_TRIGGER_WAKE ? err_operation_not_allowed(e, "the guest does not sleep") : 0;
}

static int co_sim_set_processors(struct hv *hv, const char *uuid, unsigned n, const struct map *params,
                                 unsigned *ret_now, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct hv_schedule schedule;

    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    if (hv_schedule_read(params, &schedule, e) < 0 ||
        co_sim_meet_fate(s, SIM_PROCESSORS, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    if (n > 0)
        *ret_now = n;
    return 0;
}

/* A simulated guest obeys at once, or never. */
static int co_sim_set_memory(struct hv *hv, const char *uuid, int64_t bytes, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct hv_report r = {.kind = HV_REPORT_MEMORY, .memory = bytes};

    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    if (co_sim_meet_fate(s, SIM_MEMORY, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    memcpy(r.uuid, uuid, sizeof r.uuid);
    if (s->report && !sim_script_is_off(&s->script, SIM_MEMORY))
        s->report(&r, s->report_arg);
    return 0;
}

/* It has room for any memory, whatever its platform says. */
static int co_sim_grow_memory(struct hv *hv, const char *uuid, int64_t max, int64_t target, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm;
    int r;

    if (check_running(s, uuid, e) < 0)
        return -1;
    if ((max - sim_find_started(s, uuid)->record.memory) % HV_MEMORY_STEP != 0)
        return hv_memory_refuse_step(max, e);
    if (co_sim_meet_fate(s, SIM_GROW, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    if (!(vm = sim_find_started(s, uuid)))
        return sim_fail_halted(e, uuid);
    if (max > vm->record.memory) {
        vm->record.memory = max;
        if ((r = sim_store_set_memory(s->store, &vm->record)) < 0)
            return err_errno(e, r, "the memory of %s", uuid);
    }
    return co_sim_set_memory(hv, uuid, target, e);
}

/* All there is to a simulated guest's state is who it is. */
static int write_state(int fd, const char *uuid)
{
    char text[64];
    int n = snprintf(text, sizeof text, "simulated %s\n", uuid);

    return write(fd, text, (size_t)n) == n ? 0 : -EIO;
}

static int co_sim_save(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg,
                       struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm = sim_find_started(s, uuid);
    bool was_paused, was_held;
    int r;

    if (!vm)
        return sim_fail_halted(e, uuid);
    was_paused = vm->record.paused;
    was_held = vm->record.held;
    set_state(vm, true, true);
    progress(0.5, arg);
    r = co_sim_meet_fate(s, SIM_SAVE, uuid, CLOCK_NEVER, e);
    if (!(vm = sim_find_started(s, uuid)))
        return r < 0 ? r : sim_fail_halted(e, uuid);
    if (r == 0 && (r = write_state(fd, uuid)) < 0)
        err_errno(e, r, "the state of %s", uuid);
    if (r < 0)
        set_state(vm, was_paused, was_held);
    return r < 0 ? -1 : 0;
}

static int co_sim_dump(struct hv *hv, const char *uuid, int fd, hv_progress_fn *progress, void *arg,
                       struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    int r;

    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    progress(0.5, arg);
    if (co_sim_meet_fate(s, SIM_DUMP, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    if (!sim_find_started(s, uuid))
        return sim_fail_halted(e, uuid);
    r = write_state(fd, uuid);
    return r < 0 ? err_errno(e, r, "the memory of %s", uuid) : 0;
}

static int co_sim_hold(struct hv *hv, const char *uuid, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm;

    if (co_sim_meet_fate(s, SIM_PAUSE, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    vm = sim_find_started(s, uuid);
    if (!vm)
        return sim_fail_halted(e, uuid);
    set_state(vm, true, true);
    return 0;
}

static int co_sim_follow_disk(struct hv *hv, const char *uuid, unsigned userdevice, const char *path,
                              const char *base, struct err *e)
{
    struct sim_hv *s = sim_of(hv);

    if (co_sim_meet_fate(s, SIM_FOLLOW, uuid, CLOCK_NEVER, e) < 0)
        return -1;
    return sim_find_started(s, uuid) ? 0 : sim_fail_halted(e, uuid);
}

static int co_sim_adopt(struct hv *hv,
                        void (*visit)(const char *uuid, const struct hv_vm_facts *f, void *arg), void *arg,
                        struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct hv_vm_facts facts;
    struct sim_vm *vm;

    if (co_sim_meet_fate(s, SIM_ADOPT, "all", CLOCK_NEVER, e) < 0)
        return -1;
    TAILQ_FOREACH (vm, &s->vms, link) {
        if (!vm->committed)
            continue;
        if (!vm->lives && sim_is_here(vm))
            sim_begin_life(vm);
        sim_facts(vm, &facts);
        visit(vm->record.uuid, &facts, arg);
    }
    return 0;
}

static enum hv_state sim_state(struct hv *hv, const char *uuid)
{
    const struct sim_vm *vm = sim_find_started(sim_of(hv), uuid);

    if (!vm)
        return HV_STATE_GONE;
    return vm->record.paused ? HV_STATE_PAUSED : HV_STATE_RUNNING;
}

/* ---- devices ---- */

/* Take the time of an operation on a guest that is up before and after; NULL with *e filled. */
static struct sim_vm *co_change(struct hv *hv, const char *uuid, enum sim_op op, struct err *e)
{
    struct sim_hv *s = sim_of(hv);
    struct sim_vm *vm = sim_find_started(s, uuid);

    if (vm && co_sim_meet_fate(s, op, uuid, CLOCK_NEVER, e) < 0)
        return NULL;
    vm = sim_find_started(s, uuid);
    if (!vm)
        sim_fail_halted(e, uuid);
    return vm;
}

static int set_device(struct sim_vm *vm, enum sim_device kind, unsigned number, bool there, struct err *e)
{
    int r = sim_store_set_device(vm->hv->store, vm->record.uuid, kind, number, there);

    if (r < 0)
        return err_errno(e, r, "a device of %s", vm->record.uuid);
    sim_record_set(&vm->record, kind, number, there);
    return 0;
}

static int co_sim_plug_disk(struct hv *hv, const char *uuid, const struct hv_disk *d, struct err *e)
{
    struct sim_vm *vm = co_change(hv, uuid, SIM_PLUG, e);

    if (!vm || set_device(vm, SIM_MEDIUM, d->userdevice, true, e) < 0)
        return -1;
    return set_device(vm, SIM_DISK, d->userdevice, true, e);
}

static int co_sim_plug_nic(struct hv *hv, const char *uuid, const struct hv_nic *n, struct err *e)
{
    struct sim_vm *vm = co_change(hv, uuid, SIM_PLUG, e);

    return vm ? set_device(vm, SIM_NIC, n->device, true, e) : -1;
}

static int co_sim_unplug(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number,
                         bool force, int64_t deadline, struct err *e)
{
    struct sim_vm *vm = co_change(hv, uuid, SIM_UNPLUG, e);

    return vm ? set_device(vm, kind == HV_DEVICE_NIC ? SIM_NIC : SIM_DISK, number, false, e) : -1;
}

static int co_sim_insert(struct hv *hv, const char *uuid, const struct hv_disk *medium, struct err *e)
{
    struct sim_vm *vm = co_change(hv, uuid, SIM_INSERT, e);

    return vm ? set_device(vm, SIM_MEDIUM, medium->userdevice, true, e) : -1;
}

static int co_sim_eject(struct hv *hv, const char *uuid, unsigned userdevice, struct err *e)
{
    struct sim_vm *vm = co_change(hv, uuid, SIM_EJECT, e);

    return vm ? set_device(vm, SIM_MEDIUM, userdevice, false, e) : -1;
}

static int co_sim_look(struct hv *hv, const char *uuid, enum hv_device_kind kind, unsigned number,
                       enum hv_presence *ret, struct err *e)
{
    const struct sim_vm *vm = co_change(hv, uuid, SIM_LOOK, e);
    bool nic = kind == HV_DEVICE_NIC;

    if (!vm)
        return -1;
    if (!sim_record_has(&vm->record, nic ? SIM_NIC : SIM_DISK, number))
        *ret = HV_ABSENT;
    else
        *ret = nic || sim_record_has(&vm->record, SIM_MEDIUM, number) ? HV_PRESENT : HV_EMPTY;
    return 0;
}

/* ---- opening ---- */

static void sim_free(struct hv *hv)
{
    struct sim_hv *s = sim_of(hv);

    while (!TAILQ_EMPTY(&s->vms))
        drop_vm(TAILQ_FIRST(&s->vms));
    sim_close_consoles(s);
    if (s->store)
        sim_store_close(s->store);
    free(s);
}

static const struct hv_driver driver = {
    .name = "sim",
    .co_start = co_sim_start,
    .co_pause = co_sim_pause,
    .co_unpause = co_sim_unpause,
    .co_shutdown = co_sim_shutdown,
    .co_reboot = co_sim_reboot,
    .co_stop = co_sim_stop,
    .co_reset = co_sim_reset,
    .co_trigger = co_sim_trigger,
    .co_plug_disk = co_sim_plug_disk,
    .co_plug_nic = co_sim_plug_nic,
    .co_unplug = co_sim_unplug,
    .co_insert = co_sim_insert,
    .co_eject = co_sim_eject,
    .co_look = co_sim_look,
    .co_set_processors = co_sim_set_processors,
    .co_set_memory = co_sim_set_memory,
    .co_grow_memory = co_sim_grow_memory,
    .co_hold = co_sim_hold,
    .co_follow_disk = co_sim_follow_disk,
    .co_dump = co_sim_dump,
    .co_mirror_disk = co_sim_mirror_disk,
    .co_settle_disk = co_sim_settle_disk,
    .co_save = co_sim_save,
    .co_receive = co_sim_receive,
    .co_move_prepare = co_sim_move_prepare,
    .co_move_switch = co_sim_move_switch,
    .co_move_finish = co_sim_move_finish,
    .co_move_accept = co_sim_move_accept,
    .co_move_drain = co_sim_move_drain,
    .co_move_cancel = co_sim_move_cancel,
    .co_adopt = co_sim_adopt,
    .state = sim_state,
    .co_console = co_sim_console,
    .free = sim_free,
};

static void add_known(const struct sim_record *record, void *arg)
{
    struct sim_vm *vm = add_vm(arg, record);

    vm->committed = true;
}

int co_hv_sim_open(const struct hv_options *o, const char *script, struct hv **ret,
                   struct hv_host_facts *facts, struct err *e)
{
    struct sim_hv *s = mem_zalloc(sizeof *s);
    int r;

    s->hv.driver = &driver;
    s->report = o->report;
    s->report_arg = o->report_arg;
    TAILQ_INIT(&s->vms);
    if (sim_script_parse(&s->script, script, e) < 0) {
        sim_free(&s->hv);
        return -1;
    }
    r = sim_store_open(o->state_dir, add_known, s, &s->store);
    if (r < 0) {
        sim_free(&s->hv);
        return err_errno(e, r, "%s/sim", o->state_dir);
    }
    *facts = (struct hv_host_facts){.accelerator = "sim",
                                    .version = "1.0",
                                    .cpu_vendor = "Simulated",
                                    .cpu_model = "Simulated processor",
                                    .cpus = s->script.cpus,
                                    .memory_total = s->script.memory,
                                    .memory_free = s->script.memory};
    *ret = &s->hv;
    return 0;
}
