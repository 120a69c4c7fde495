#include "xapid/vm/lifecycle.h"
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/vm/balloon.h"
#include "xapid/vm/crash.h"
#include "xapid/vm/guest_info.h"
#include "xapid/vm/record.h"
#include "xapid/vm/start.h"
#include "xapid/vm/vm.h"

#define OP(name) OP_BIT(VM_OPERATIONS_##name)

/* A guest that crashes again this soon after its start waits as long before the next one. */
#define CRASH_LOOP_S 10

uint64_t lifecycle_operations(void)
{
    return OP(START) | OP(START_ON) | OP(PAUSE) | OP(UNPAUSE) | OP(CLEAN_SHUTDOWN) | OP(CLEAN_REBOOT) |
           OP(HARD_SHUTDOWN) | OP(HARD_REBOOT) | OP(SUSPEND) | OP(RESUME) | OP(RESUME_ON) | OP(POOL_MIGRATE) |
           OP(MIGRATE_SEND) | OP(POWER_STATE_RESET) | OP(CHECKPOINT);
}

struct gone {
    struct xapid *x;
    struct ref host;
    char uuid[UUID_TEXT_SIZE];
    enum hv_stop_reason reason;
};

static const struct vm *find_vm(struct xapid *x, const char *uuid)
{
    return (const struct vm *)db_get_by_uuid(x->db, CLASS_VM, uuid);
}

/* What the VM's settings ask for when its guest has ended in this way. */
static bool wants_restart(const struct vm *vm, enum hv_stop_reason reason)
{
    switch (reason) {
    case HV_STOP_GUEST_SHUTDOWN:
        return vm->actions_after_shutdown == ON_NORMAL_EXIT_RESTART;
    case HV_STOP_GUEST_REBOOT:
        return vm->actions_after_reboot == ON_NORMAL_EXIT_RESTART;
    case HV_STOP_GUEST_CRASH:
        return vm->actions_after_crash == ON_CRASH_BEHAVIOUR_RESTART ||
               vm->actions_after_crash == ON_CRASH_BEHAVIOUR_COREDUMP_AND_RESTART ||
               vm->actions_after_crash == ON_CRASH_BEHAVIOUR_RENAME_RESTART;
    case HV_STOP_KILLED:
    case HV_STOP_REQUESTED:
        return false;
    }
    return false;
}

static const char *message_for(enum hv_stop_reason reason)
{
    switch (reason) {
    case HV_STOP_GUEST_REBOOT:
        return "VM_REBOOTED";
    case HV_STOP_GUEST_CRASH:
    case HV_STOP_KILLED:
        return "VM_CRASHED";
    case HV_STOP_GUEST_SHUTDOWN:
    case HV_STOP_REQUESTED:
        break;
    }
    return "VM_SHUTDOWN";
}

/* Give back what the guest held and say that it is halted. */
static void co_record_gone(struct gone *g, struct ref ref)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err second = {0};
    struct agent *agent = host_agent(g->x, g->host, &e);

    if (!agent || co_agent_vm_clean(agent, g->uuid, &e) < 0)
        log_warning("cleaning up after VM %s: %s", g->uuid, err_text(mem, &e));
    const struct vm *vm = db_vm(g->x->db, ref);
    if (!vm)
        return;
    struct txn *t = db_begin(g->x->db);
    vm_record_stopped(t, vm);
    vm_post_message(t, vm, message_for(g->reason));
    if (db_commit(t, &second) < 0)
        log_error("recording that VM %s has ended: %s", g->uuid, err_text(mem, &second));
}

/* Where it was, if it can be there. */
static void co_start_again(struct gone *g, struct ref ref)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_OP struct op op = {0};
    struct call c = {.x = g->x, .db = g->x->db, .mem = mem, .task = ref_new()};
    struct vm_start_options o = {.force = true};

    if (co_op_begin(&c, CLASS_VM, ref, VM_OPERATIONS_START, &op, &e) < 0 ||
        co_vm_start_somewhere(&c, ref, g->host, &o, &e) < 0)
        log_warning("starting a VM again: %s", err_text(mem, &e));
}

/* Seconds to wait before the next start of a guest that crashed. */
static int64_t crash_delay(struct xapid *x, const struct vm *vm, enum hv_stop_reason reason)
{
    const struct vm_metrics *metrics = db_vm_metrics(x->db, vm->metrics);
    bool soon = metrics && clock_wall() - metrics->start_time < CRASH_LOOP_S;
    return reason == HV_STOP_GUEST_CRASH && soon ? CRASH_LOOP_S : 0;
}

/* Is the VM recorded as up on the host, and its guest not there? */
static bool co_is_gone(struct gone *g, struct ref ref)
{
    CLEANUP_ERR struct err e = {0};
    const struct vm *vm = db_vm(g->x->db, ref);
    struct agent *agent = host_agent(g->x, g->host, &e);
    enum hv_state state;

    if (!agent || !vm || !vm_is_up(vm) || !ref_equal(vm->resident_on, g->host))
        return false;
    return co_agent_vm_state(agent, g->uuid, &state, &e) == 0 && state == HV_STATE_GONE &&
           db_vm(g->x->db, ref);
}

static void co_settle_gone(struct gone *g)
{
    const struct vm *vm = find_vm(g->x, g->uuid);
    struct ref ref = vm ? vm->row.ref : REF_NULL;
    CLEANUP_OP struct op op = {0};

    if (!vm || co_op_wait_others(CLASS_VM, ref, lifecycle_operations(), NULL) < 0 || !co_is_gone(g, ref))
        return;
    vm = db_vm(g->x->db, ref);
    bool again = wants_restart(vm, g->reason);
    int64_t delay = crash_delay(g->x, vm, g->reason);
    op_mark(g->x->db, CLASS_VM, ref, VM_OPERATIONS_HARD_SHUTDOWN, REF_NULL, &op);
    co_record_gone(g, ref);
    op_end(&op);
    if (again &&
        (delay == 0 || co_sleep_until(clock_in_ms(delay * 1000), "a crashing guest's next start") == 0))
        co_start_again(g, ref);
}

static void co_gone(void *arg)
{
    struct gone *g = arg;
    co_settle_gone(g);
    free(g);
}

static struct gone *gone_new(struct xapid *x, struct ref host, const char *uuid, enum hv_stop_reason reason)
{
    struct gone *g = mem_zalloc(sizeof *g);

    *g = (struct gone){.x = x, .host = host, .reason = reason};
    memcpy(g->uuid, uuid, sizeof g->uuid);
    return g;
}

void lifecycle_guest_gone(struct xapid *x, struct ref host, const char *uuid, enum hv_stop_reason reason)
{
    fiber_spawn("guest has ended", co_gone, gone_new(x, host, uuid, reason));
}

void co_lifecycle_look_again(struct xapid *x, struct ref ref)
{
    const struct vm *vm = db_vm(x->db, ref);
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = vm ? vm_agent(x, ref, &e) : NULL;
    struct gone *g = agent ? gone_new(x, vm->resident_on, vm->uuid, HV_STOP_KILLED) : NULL;
    enum hv_state state;

    if (g && co_agent_vm_state(agent, g->uuid, &state, &e) == 0 && state == HV_STATE_GONE)
        fiber_spawn("guest has ended", co_gone, TAKE_PTR(g));
    free(g);
}

/* ---- a guest that has crashed ---- */

/* Is the VM recorded as running on the host, and does its guest stand still all the same? */
static bool co_stands_still(struct gone *g, struct ref ref)
{
    CLEANUP_ERR struct err e = {0};
    const struct vm *vm = db_vm(g->x->db, ref);
    struct agent *agent = host_agent(g->x, g->host, &e);
    enum hv_state state;

    if (!agent || !vm || vm->power_state != VM_POWER_STATE_RUNNING || !ref_equal(vm->resident_on, g->host))
        return false;
    return co_agent_vm_state(agent, g->uuid, &state, &e) == 0 && state == HV_STATE_PAUSED &&
           db_vm(g->x->db, ref);
}

/* Kept as it is, for whoever wants to look at it. */
static void preserve(struct gone *g, const struct vm *vm)
{
    CLEANUP_ERR struct err e = {0};
    struct txn *t = db_begin(g->x->db);

    vm_set_power_state(t, vm, VM_POWER_STATE_PAUSED);
    vm_post_message(t, vm, "VM_CRASHED");
    if (db_commit(t, &e) < 0)
        log_error("recording that VM %s has crashed: %s", g->uuid, e.code);
}

/* A dump that cannot be had changes nothing about what follows. */
static void co_dump(struct gone *g, struct ref ref)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct call c = {.x = g->x, .db = g->x->db, .mem = mem, .task = ref_new()};

    if (co_crash_dump(&c, ref, &e) < 0)
        log_warning("the memory of VM %s, which has crashed, is not kept: %s", g->uuid, err_text(mem, &e));
}

static bool wants_dump(enum on_crash_behaviour action)
{
    return action == ON_CRASH_BEHAVIOUR_COREDUMP_AND_DESTROY ||
           action == ON_CRASH_BEHAVIOUR_COREDUMP_AND_RESTART;
}

/* End the guest, its memory kept first if that is wanted. Somebody may end it meanwhile, or reset it. */
static void co_end_crashed(struct gone *g, struct ref ref, enum on_crash_behaviour action)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_OP struct op op = {0};
    struct agent *agent;

    op_mark(g->x->db, CLASS_VM, ref, VM_OPERATIONS_HARD_SHUTDOWN, REF_NULL, &op);
    if (wants_dump(action)) {
        co_dump(g, ref);
        if (!co_stands_still(g, ref))
            return;
    }
    agent = host_agent(g->x, g->host, &e);
    if (!agent || co_agent_vm_stop(agent, g->uuid, &e) < 0)
        log_warning("ending VM %s, which has crashed: %s", g->uuid, err_text(mem, &e));
}

static void co_crashed(void *arg)
{
    struct gone *g = arg;
    const struct vm *vm = find_vm(g->x, g->uuid);
    struct ref ref = vm ? vm->row.ref : REF_NULL;

    if (vm && co_op_wait_others(CLASS_VM, ref, lifecycle_operations(), NULL) == 0 &&
        co_stands_still(g, ref)) {
        vm = db_vm(g->x->db, ref);
        if (vm->actions_after_crash == ON_CRASH_BEHAVIOUR_PRESERVE) {
            preserve(g, vm);
        } else {
            co_end_crashed(g, ref, vm->actions_after_crash);
            co_settle_gone(g);
        }
    }
    free(g);
}

void lifecycle_guest_crashed(struct xapid *x, struct ref host, const char *uuid)
{
    fiber_spawn("guest has crashed", co_crashed, gone_new(x, host, uuid, HV_STOP_GUEST_CRASH));
}

/* ---- a guest that must not reboot ---- */

static void co_end_rebooted(void *arg)
{
    struct gone *g = arg;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = host_agent(g->x, g->host, &e);

    if (!agent || co_agent_vm_stop(agent, g->uuid, &e) < 0)
        log_warning("stopping VM %s, which is not to reboot: %s", g->uuid, err_text(mem, &e));
    else
        co_settle_gone(g);
    free(g);
}

static void on_rebooted(struct xapid *x, const struct vm *vm)
{
    CLEANUP_ERR struct err e = {0};

    if (op_current_has(vm->current_operations, OP(CLEAN_REBOOT) | OP(HARD_REBOOT)))
        return;
    if (vm->actions_after_reboot == ON_NORMAL_EXIT_DESTROY) {
        fiber_spawn("guest is not to reboot", co_end_rebooted,
                    gone_new(x, vm->resident_on, vm->uuid, HV_STOP_REQUESTED));
        return;
    }
    struct txn *t = db_begin(x->db);
    vm_record_rebooted(t, vm, clock_wall());
    vm_post_message(t, vm, "VM_REBOOTED");
    if (db_commit(t, &e) < 0)
        log_error("recording that VM %s rebooted: %s", vm->uuid, e.code);
}

/* ---- a guest that was stopped or went on behind our back ---- */

static void on_paused(struct xapid *x, const struct vm *vm, bool paused)
{
    CLEANUP_ERR struct err e = {0};

    if (!vm_is_up(vm) || op_current_has(vm->current_operations, lifecycle_operations()))
        return;
    struct txn *t = db_begin(x->db);
    vm_set_power_state(t, vm, paused ? VM_POWER_STATE_PAUSED : VM_POWER_STATE_RUNNING);
    if (db_commit(t, &e) < 0)
        log_error("recording that VM %s was paused or resumed: %s", vm->uuid, e.code);
}

/* The next start sets the clock to where the guest has put it. */
static void on_clock(struct xapid *x, const struct vm *vm, int64_t timeoffset)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const char *known = map_get(vm->platform, "timeoffset");
    char *text = talloc_asprintf(mem, "%lld", (long long)timeoffset);

    if (known && strcmp(known, text) == 0)
        return;
    struct txn *t = db_begin(x->db);
    vm_set_platform(t, vm, map_with(mem, vm->platform, "timeoffset", text));
    if (db_commit(t, &e) < 0)
        log_error("recording the clock of VM %s: %s", vm->uuid, e.code);
}

/* What a guest's firmware and system have written down: its boot entries, above all. */
static void on_nvram(struct xapid *x, const struct vm *vm, const char *text)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const char *known = map_get(vm->NVRAM, HV_NVRAM_KEY);

    if (known && strcmp(known, text) == 0)
        return;
    struct txn *t = db_begin(x->db);
    vm_set_nvram(t, vm, map_with(mem, vm->NVRAM, HV_NVRAM_KEY, text));
    if (db_commit(t, &e) < 0)
        log_error("recording the UEFI variables of VM %s: %s", vm->uuid, e.code);
}

void lifecycle_on_report(struct xapid *x, struct ref host, const struct hv_report *r)
{
    const struct vm *vm = find_vm(x, r->uuid);

    if (!vm || (!ref_is_null(vm->resident_on) && !ref_equal(vm->resident_on, host)))
        return;
    switch (r->kind) {
    case HV_REPORT_STOPPED:
        if (r->reason != HV_STOP_REQUESTED)
            lifecycle_guest_gone(x, host, r->uuid, r->reason);
        return;
    case HV_REPORT_REBOOTED:
        on_rebooted(x, vm);
        return;
    case HV_REPORT_GUEST_INFO:
        guest_info_record(x, vm, r->info);
        return;
    case HV_REPORT_CRASHED:
        lifecycle_guest_crashed(x, host, r->uuid);
        return;
    case HV_REPORT_PAUSED:
    case HV_REPORT_RESUMED:
        on_paused(x, vm, r->kind == HV_REPORT_PAUSED);
        return;
    case HV_REPORT_CLOCK:
        on_clock(x, vm, r->timeoffset);
        return;
    case HV_REPORT_NVRAM:
        on_nvram(x, vm, r->nvram);
        return;
    case HV_REPORT_MEMORY:
        balloon_on_report(x, vm, r->memory);
        return;
    }
}
