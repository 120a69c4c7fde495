#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/access.h"
#include "hv/qemu/devices.h"
#include "hv/qemu/nvram.h"
#include "hv/qemu/qemu.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define FIRMWARE_RESET_NS 500000000
#define RECONNECT_FIRST_S 0.05
#define RECONNECT_MAX_S 5.0

/* ---- life ---- */

static void reconnect_cb(struct ev_loop *loop, ev_timer *w, int revents);

struct qemu_vm *qemu_vm_new(struct qemu_hv *hv, const char *uuid)
{
    struct qemu_vm *vm = mem_zalloc(sizeof *vm);

    vm->hv = hv;
    vm->refs = 1;
    memcpy(vm->uuid, uuid, UUID_TEXT_SIZE - 1);
    vm->dir_fd = -1;
    vm->state = HV_STATE_PAUSED;
    TAILQ_INIT(&vm->unplugs);
    fiber_cond_init(&vm->changed);
    ev_timer_init(&vm->reconnect, reconnect_cb, 0, 0);
    vm->reconnect.data = vm;
    TAILQ_INSERT_TAIL(&hv->vms, vm, link);
    return vm;
}

struct qemu_vm *qemu_vm_find(struct qemu_hv *hv, const char *uuid)
{
    struct qemu_vm *vm;

    TAILQ_FOREACH (vm, &hv->vms, link)
        if (strcmp(vm->uuid, uuid) == 0)
            return vm;
    return NULL;
}

struct qemu_vm *qemu_vm_ref(struct qemu_vm *vm)
{
    vm->refs++;
    return vm;
}

void qemu_vm_unref(struct qemu_vm *vm)
{
    if (--vm->refs > 0)
        return;
    free(vm->nics);
    json_decref(vm->shape);
    json_decref(vm->grants);
    free(vm);
}

void qemu_vm_detach(struct qemu_vm *vm)
{
    vm->gone = true;
    vm->state = HV_STATE_GONE;
    TAILQ_REMOVE(&vm->hv->vms, vm, link);
    ev_timer_stop(loop_get(), &vm->reconnect);
    guest_agent_free(TAKE_PTR(vm->agent));
    qmp_free(TAKE_PTR(vm->qmp));
    if (vm->spawned)
        process_release(&vm->process);
    if (vm->dir_fd >= 0)
        close(TAKE_FD(vm->dir_fd));
    fiber_cond_broadcast(&vm->changed);
    qemu_vm_unref(vm);
}

void qemu_vm_facts(const struct qemu_vm *vm, struct hv_vm_facts *ret)
{
    *ret = (struct hv_vm_facts){.state = vm->state,
                                .domid = vm->domid,
                                .start_time = vm->start_time,
                                .vnc = vm->vnc,
                                .serial = true,
                                .held = vm->held,
                                .crashed = vm->panicked && vm->state == HV_STATE_PAUSED,
                                .memory_max = vm->memory,
                                .passage = vm->passage.state};
}

/* ---- reports ---- */

static void report(struct qemu_vm *vm, struct hv_report *r)
{
    memcpy(r->uuid, vm->uuid, sizeof r->uuid);
    if (vm->committed && vm->hv->report && qemu_passage_is_here(&vm->passage))
        vm->hv->report(r, vm->hv->report_arg);
}

static void report_kind(struct qemu_vm *vm, enum hv_report_kind kind)
{
    report(vm, &(struct hv_report){.kind = kind});
}

static void set_state(struct qemu_vm *vm, enum hv_state state)
{
    enum hv_state before = vm->state;

    vm->state = state;
    fiber_cond_broadcast(&vm->changed);
    if (vm->agent)
        guest_agent_set_paused(vm->agent, state == HV_STATE_PAUSED);
    if (before == state)
        return;
    if (vm->panicked && state == HV_STATE_PAUSED)
        report_kind(vm, HV_REPORT_CRASHED);
    else if (!vm->held && vm->passage.state == HV_PASSAGE_NONE)
        report_kind(vm, state == HV_STATE_PAUSED ? HV_REPORT_PAUSED : HV_REPORT_RESUMED);
}

/* ---- the guest's agent ---- */

static void agent_info(const struct hv_guest_info *info, void *arg)
{
    report(arg, &(struct hv_report){.kind = HV_REPORT_GUEST_INFO, .info = info});
}

static void agent_answered(void *arg)
{
    struct qemu_vm *vm = arg;

    fiber_cond_broadcast(&vm->changed);
}

static void set_agent_open(struct qemu_vm *vm, bool open)
{
    static const struct guest_agent_handlers handlers = {.info = agent_info, .answered = agent_answered};

    if (!vm->agent) {
        vm->agent = guest_agent_new(vm->dir_fd, vm->nics, vm->n_nics, &handlers, vm);
        guest_agent_set_paused(vm->agent, vm->state == HV_STATE_PAUSED);
    }
    guest_agent_set_grown(vm->agent, vm->memory > qemu_memory_of(vm, &(struct qemu_layout){0}));
    guest_agent_set_open(vm->agent, open);
}

/* ---- QEMU's events ---- */

static void on_stop(struct qemu_vm *vm, const json_t *data)
{
    set_state(vm, HV_STATE_PAUSED);
}

static void on_resume(struct qemu_vm *vm, const json_t *data)
{
    vm->panicked = false;
    set_state(vm, HV_STATE_RUNNING);
}

/* A PC's firmware resets the machine once more by itself right after each reset. That one is part of the
 * first, and resets that we asked for are nobody's news. */
static void on_reset(struct qemu_vm *vm, const json_t *data)
{
    int64_t before = vm->last_reset;

    vm->panicked = false;
    vm->last_reset = clock_now();
    if (!json_is_true(json_object_get(data, "guest")) || vm->last_reset - before < FIRMWARE_RESET_NS)
        return;
    vm->resets++;
    fiber_cond_broadcast(&vm->changed);
    report_kind(vm, HV_REPORT_REBOOTED);
}

static void on_shutdown(struct qemu_vm *vm, const json_t *data)
{
    static const char *const known[] = {"guest-shutdown", "guest-reset", "guest-panic", "host-qmp-quit"};
    const char *reason = json_string_value(json_object_get(data, "reason"));

    for (size_t i = 0; reason && i < sizeof known / sizeof *known; i++)
        if (strcmp(reason, known[i]) == 0)
            vm->shutdown_reason = known[i];
}

/* It is stopped next. */
static void on_panicked(struct qemu_vm *vm, const json_t *data)
{
    vm->panicked = true;
}

static void on_move(struct qemu_vm *vm, const json_t *data)
{
    vm->moves++;
    fiber_cond_broadcast(&vm->changed);
}

static void on_port_change(struct qemu_vm *vm, const json_t *data)
{
    const char *id = json_string_value(json_object_get(data, "id"));

    if (id && strcmp(id, "agent") == 0)
        set_agent_open(vm, json_is_true(json_object_get(data, "open")));
}

/* QEMU counts from the clock it was started with. */
static void on_rtc_change(struct qemu_vm *vm, const json_t *data)
{
    json_int_t change = json_integer_value(json_object_get(data, "offset"));

    report(vm, &(struct hv_report){.kind = HV_REPORT_CLOCK, .timeoffset = vm->timeoffset + change});
}

static void on_device(struct qemu_vm *vm, const json_t *data, bool refused)
{
    const char *id = json_string_value(json_object_get(data, "device"));

    if (id) /* else a part of one */
        qemu_device_event(vm, id, refused);
}

static void on_device_deleted(struct qemu_vm *vm, const json_t *data)
{
    on_device(vm, data, false);
}

static void on_unplug_error(struct qemu_vm *vm, const json_t *data)
{
    on_device(vm, data, true);
}

void qemu_report_memory(struct qemu_vm *vm, const json_t *value)
{
    json_int_t bytes = json_integer_value(json_object_get(value, "actual"));

    if (bytes > 0)
        report(vm, &(struct hv_report){.kind = HV_REPORT_MEMORY, .memory = bytes});
}

static void on_balloon_change(struct qemu_vm *vm, const json_t *data)
{
    qemu_report_memory(vm, data);
}

static const struct {
    const char *name;
    void (*fn)(struct qemu_vm *vm, const json_t *data);
} events[] = {
    {"BALLOON_CHANGE", on_balloon_change},
    {"RTC_CHANGE", on_rtc_change},
    {"STOP", on_stop},
    {"RESUME", on_resume},
    {"RESET", on_reset},
    {"SHUTDOWN", on_shutdown},
    {"GUEST_PANICKED", on_panicked},
    {"VSERPORT_CHANGE", on_port_change},
    {"DEVICE_DELETED", on_device_deleted},
    {"DEVICE_UNPLUG_GUEST_ERROR", on_unplug_error},
    {"MIGRATION", on_move},
    {"MIGRATION_PASS", on_move},
    {"JOB_STATUS_CHANGE", on_move},
    {"DUMP_COMPLETED", on_move},
};

static void qmp_event(const char *name, const json_t *data, void *arg)
{
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(events[i].name, name) == 0)
            events[i].fn(arg, data);
}

/* ---- the connection to the monitor ---- */

#define VM_OF(call, member) ((struct qemu_vm *)(void *)((char *)(call)-offsetof(struct qemu_vm, member)))

/* Whether the guest had opened its port before we connected; later changes come as events. */
static void chardevs_known(struct qmp_call *c, int error, json_t *value, const char *desc)
{
    struct qemu_vm *vm = VM_OF(c, chardev_call);
    json_t *entry;
    size_t i;

    if (error != 0)
        return;
    json_array_foreach (value, i, entry) {
        const char *label = json_string_value(json_object_get(entry, "label"));

        if (label && strcmp(label, "agent") == 0)
            set_agent_open(vm, json_is_true(json_object_get(entry, "frontend-open")));
    }
}

/* Only a guest whose start is complete is worth another try; a start fails instead. */
static void qmp_closed(int error, void *arg)
{
    struct qemu_vm *vm = arg;
    double pause = RECONNECT_FIRST_S;

    qmp_free(TAKE_PTR(vm->qmp));
    vm->state_known = false;
    fiber_cond_broadcast(&vm->changed);
    if (!vm->committed || vm->process.ended)
        return;
    for (unsigned i = 0; i < vm->reconnects && pause < RECONNECT_MAX_S; i++)
        pause *= 2;
    vm->reconnects++;
    ev_timer_set(&vm->reconnect, pause, 0);
    ev_timer_start(loop_get(), &vm->reconnect);
}

static void status_known(struct qmp_call *c, int error, json_t *value, const char *desc)
{
    struct qemu_vm *vm = VM_OF(c, status_call);

    if (error == -EREMOTEIO)
        qmp_closed(error, vm); /* a monitor that cannot say this is of no use */
    if (error != 0)
        return;
    const char *status = json_string_value(json_object_get(value, "status"));

    vm->panicked = status && strcmp(status, "guest-panicked") == 0;
    vm->state_known = true;
    vm->reconnects = 0;
    set_state(vm, json_is_true(json_object_get(value, "running")) ? HV_STATE_RUNNING : HV_STATE_PAUSED);
}

/* How much memory the guest has; changes come as events. */
static void memory_known(struct qmp_call *c, int error, json_t *value, const char *desc)
{
    if (error == 0)
        qemu_report_memory(VM_OF(c, balloon_call), value);
}

static void qmp_ready(void *arg)
{
    struct qemu_vm *vm = arg;

    vm->status_call.done = status_known;
    qmp_send(vm->qmp, &vm->status_call, "query-status", NULL);
    vm->chardev_call.done = chardevs_known;
    qmp_send(vm->qmp, &vm->chardev_call, "query-chardev", NULL);
    vm->balloon_call.done = memory_known;
    qmp_send(vm->qmp, &vm->balloon_call, "query-balloon", NULL);
}

int qemu_vm_connect(struct qemu_vm *vm)
{
    static const struct qmp_handlers handlers = {
        .event = qmp_event, .ready = qmp_ready, .closed = qmp_closed};
    int fd = vm_dir_connect(vm->dir_fd, VM_DIR_QMP);

    if (fd < 0)
        return fd;
    vm->qmp = qmp_new(fd, &handlers, vm);
    return 0;
}

static void reconnect_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct qemu_vm *vm = w->data;

    if (qemu_vm_connect(vm) < 0)
        qmp_closed(-ENOTCONN, vm);
}

int co_qemu_vm_wait_known(struct qemu_vm *vm, int64_t deadline)
{
    int r = 0;

    while (r == 0 && !vm->gone && vm->qmp && !vm->state_known)
        r = co_cond_wait(&vm->changed, deadline, "QEMU of %s to answer", vm->uuid);
    return r == 0 && !vm->state_known ? -ECONNRESET : r;
}

/* ---- the end ---- */

static enum hv_stop_reason stop_reason(const struct qemu_vm *vm)
{
    const char *reason = vm->shutdown_reason ? vm->shutdown_reason : "";

    if ((vm->panicked && !vm->stop_requested) || strcmp(reason, "guest-panic") == 0)
        return HV_STOP_GUEST_CRASH;
    if (strcmp(reason, "guest-shutdown") == 0)
        return HV_STOP_GUEST_SHUTDOWN;
    if (strcmp(reason, "guest-reset") == 0)
        return HV_STOP_GUEST_REBOOT;
    return vm->stop_requested ? HV_STOP_REQUESTED : HV_STOP_KILLED;
}

static void log_unexpected_end(struct qemu_vm *vm)
{
    CLEANUP_FREE char *words = vm_dir_last_words(vm->dir_fd);

    log_warning("QEMU of %s ended unasked (status %d)%s%s", vm->uuid, vm->process.status,
                words[0] ? ": " : "", words);
}

/* What the guest leaves behind, before its folder goes. */
void qemu_report_nvram(struct qemu_hv *hv, const char *uuid, int dir_fd)
{
    CLEANUP_FREE char *text = nvram_read(dir_fd);
    struct hv_report r = {.kind = HV_REPORT_NVRAM, .nvram = text};
    struct qemu_passage passage;

    snprintf(r.uuid, sizeof r.uuid, "%s", uuid);
    qemu_passage_load(dir_fd, &passage);
    if (text && hv->report && qemu_passage_is_here(&passage))
        hv->report(&r, hv->report_arg);
}

/* A start that is still under way sees the end itself and tidies up. */
void qemu_vm_process_ended(struct process *p, void *arg)
{
    struct qemu_vm *vm = arg;
    struct hv_report r = {.kind = HV_REPORT_STOPPED};
    int error;

    if (vm->qmp)
        qmp_drain(vm->qmp); /* its last events say why */
    fiber_cond_broadcast(&vm->changed);
    if (!vm->committed)
        return;
    r.reason = stop_reason(vm);
    if (r.reason == HV_STOP_KILLED)
        log_unexpected_end(vm);
    qemu_report_nvram(vm->hv, vm->uuid, vm->dir_fd);
    qemu_access_revoke_all(vm->hv, vm->uuid, vm->dir_fd);
    error = cgroup_remove(&vm->hv->cgroups, vm->uuid);
    if (error < 0)
        log_warning("the cgroup of %s cannot be removed: %s", vm->uuid, strerror(-error));
    error = vm_dir_remove(vm->hv->vms_fd, vm->uuid);
    if (error < 0)
        log_warning("the folder of %s cannot be removed: %s", vm->uuid, strerror(-error));
    qemu_vm_ref(vm);
    qemu_vm_detach(vm);
    report(vm, &r);
    qemu_vm_unref(vm);
}
