/* The memory of a VM: static limits (what it may ever have) round dynamic ones (what it gets). */
#include "xapid/vm/memory.h"
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/balloon.h"
#include "xapid/vm/share.h"
#include "xapid/vm/squeeze.h"

/* 1 PiB: more than any machine has, and sums of it stay what they are. */
static const int64_t most_memory = (int64_t)1 << 50;

int memory_check_limits(const struct memory_limits *m, struct err *e)
{
    if (m->static_max > most_memory)
        return err_memory_constraint_violation(e, "Memory limits must satisfy: static_max <= 1 PiB");
    if (m->static_min < 0 || m->static_min > m->dynamic_min || m->dynamic_min > m->dynamic_max ||
        m->dynamic_max > m->static_max)
        return err_memory_constraint_violation(
            e, "Memory limits must satisfy: static_min <= dynamic_min <= dynamic_max <= static_max");
    return 0;
}

static struct memory_limits limits_of(const struct vm *vm)
{
    return (struct memory_limits){vm->memory_static_min, vm->memory_dynamic_min, vm->memory_dynamic_max,
                                  vm->memory_static_max};
}

static int record(struct call *c, struct ref ref, const struct memory_limits *m, int64_t target,
                  struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_set_memory_static_min(t, vm, m->static_min);
    vm_set_memory_dynamic_min(t, vm, m->dynamic_min);
    vm_set_memory_dynamic_max(t, vm, m->dynamic_max);
    vm_set_memory_static_max(t, vm, m->static_max);
    vm_set_memory_target(t, vm, target);
    return db_commit(t, e);
}

/* What the host needs for the guest beside its own memory, more than before. */
static int64_t more_overhead(const struct vm *vm, int64_t static_max)
{
    struct vm larger = *vm;

    larger.memory_static_max = static_max;
    return vm_memory_overhead(&larger) - vm_memory_overhead(vm);
}

/* As much of the new range as the host has. */
static int64_t target_within(struct call *c, const struct vm *vm, const struct memory_limits *m)
{
    if (vm->power_state != VM_POWER_STATE_RUNNING)
        return vm->memory_target;
    int64_t idle = host_idle_memory(c->db, vm->resident_on, NULL) - more_overhead(vm, m->static_max);
    int64_t most = vm->memory_target + (idle > 0 ? idle : 0);
    int64_t target = most < m->dynamic_max ? most : m->dynamic_max;
    return target > m->dynamic_min ? target : m->dynamic_min;
}

/* A machine that runs gets more memory, in steps, and gives none back. */
static int check_static_max(const struct vm *vm, int64_t static_max, struct err *e)
{
    if (vm->power_state != VM_POWER_STATE_RUNNING || static_max == vm->memory_static_max)
        return 0;
    if (static_max < vm->memory_static_max)
        return err_vm_bad_power_state(e, REF_TEXT(vm->row.ref), "halted", "running");
    return (static_max - vm->memory_static_max) % HV_MEMORY_STEP ? hv_memory_refuse_step(static_max, e) : 0;
}

/* What the host is to give is set aside before its guest has it. A machine that has more than is recorded is
 * recorded when its guest is next found (vm_record_started), or when this is tried again. */
static int co_grow(struct call *c, const struct vm *vm, int64_t static_max, int64_t target, struct err *e)
{
    int64_t more =
        more_overhead(vm, static_max) + (target > vm->memory_target ? target - vm->memory_target : 0);
    int64_t idle = host_idle_memory(c->db, vm->resident_on, NULL);
    struct agent *agent = vm_agent(c->x, vm->row.ref, e);
    struct memory_promise promise;

    if (!agent)
        return -1;
    if (more > idle)
        return memory_refuse(more, idle, e);
    host_memory_promise(&promise, vm->resident_on, more);
    int r = co_agent_vm_grow_memory(agent, talloc_strdup(c->mem, vm->uuid), static_max, target, e);
    host_memory_release(&promise);
    return r;
}

/* The guest of a VM that runs follows first, and goes back when that cannot be recorded. */
static int co_write_limits(struct call *c, struct ref ref, const struct memory_limits *m, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    CLEANUP_ERR struct err second = {0};

    if (!vm || check_static_max(vm, m->static_max, e) < 0 || memory_check_limits(m, e) < 0)
        return -1;
    int64_t before = vm->memory_target, target = target_within(c, vm, m);
    bool grows = vm->power_state == VM_POWER_STATE_RUNNING && m->static_max > vm->memory_static_max;
    if (grows && co_grow(c, vm, m->static_max, target, e) < 0)
        return -1;
    if (!grows && target != before && co_balloon_ask(c, ref, target, e) < 0)
        return -1;
    if (record(c, ref, m, target, e) < 0) {
        if (target != before)
            co_balloon_ask(c, ref, before, &second);
        return -1;
    }
    if (target != before)
        balloon_target_changed();
    if ((vm = db_vm(c->db, ref)))
        squeeze_look(vm->resident_on);
    return 0;
}

enum { STATIC_MIN = 1, DYNAMIC_MIN = 2, DYNAMIC_MAX = 4, STATIC_MAX = 8 };

/* Change those limits of `which` and write all, as a declared operation. */
static int co_change(struct call *c, struct ref ref, int operation, unsigned which,
                     const struct memory_limits *n, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, ref, operation, &op, e) < 0)
        return -1;
    struct memory_limits m = limits_of(db_vm(c->db, ref));
    m.static_min = which & STATIC_MIN ? n->static_min : m.static_min;
    m.dynamic_min = which & DYNAMIC_MIN ? n->dynamic_min : m.dynamic_min;
    m.dynamic_max = which & DYNAMIC_MAX ? n->dynamic_max : m.dynamic_max;
    m.static_max = which & STATIC_MAX ? n->static_max : m.static_max;
    return co_write_limits(c, ref, &m, e);
}

int co_memory_set_dynamic(struct call *c, struct ref ref, int64_t min, int64_t max, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    struct memory_limits m = limits_of(vm);
    m.dynamic_min = min;
    m.dynamic_max = max;
    return co_write_limits(c, ref, &m, e);
}

int co_vm_set_memory_dynamic_max(struct call *c, const struct vm_set_memory_dynamic_max_args *a,
                                 struct err *e)
{
    struct memory_limits m = {.dynamic_max = a->value};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_DYNAMIC_RANGE, DYNAMIC_MAX, &m, e);
}

int co_vm_set_memory_dynamic_min(struct call *c, const struct vm_set_memory_dynamic_min_args *a,
                                 struct err *e)
{
    struct memory_limits m = {.dynamic_min = a->value};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_DYNAMIC_RANGE, DYNAMIC_MIN, &m, e);
}

int co_vm_set_memory_dynamic_range(struct call *c, const struct vm_set_memory_dynamic_range_args *a,
                                   struct err *e)
{
    struct memory_limits m = {.dynamic_min = a->min, .dynamic_max = a->max};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_DYNAMIC_RANGE, DYNAMIC_MIN | DYNAMIC_MAX, &m, e);
}

int co_vm_set_memory_static_max(struct call *c, const struct vm_set_memory_static_max_args *a, struct err *e)
{
    struct memory_limits m = {.static_max = a->value};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_STATIC_RANGE, STATIC_MAX, &m, e);
}

int co_vm_set_memory_static_min(struct call *c, const struct vm_set_memory_static_min_args *a, struct err *e)
{
    struct memory_limits m = {.static_min = a->value};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_STATIC_RANGE, STATIC_MIN, &m, e);
}

int co_vm_set_memory_static_range(struct call *c, const struct vm_set_memory_static_range_args *a,
                                  struct err *e)
{
    struct memory_limits m = {.static_min = a->min, .static_max = a->max};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_STATIC_RANGE, STATIC_MIN | STATIC_MAX, &m, e);
}

int co_vm_set_memory_limits(struct call *c, const struct vm_set_memory_limits_args *a, struct err *e)
{
    struct memory_limits m = {a->static_min, a->dynamic_min, a->dynamic_max, a->static_max};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_MEMORY_LIMITS,
                     STATIC_MIN | DYNAMIC_MIN | DYNAMIC_MAX | STATIC_MAX, &m, e);
}

/* All limits but the lowest become value. */
int co_vm_set_memory(struct call *c, const struct vm_set_memory_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    int64_t lowest = vm->memory_static_min < a->value ? vm->memory_static_min : a->value;
    struct memory_limits m = {lowest, a->value, a->value, a->value};
    return co_change(c, a->self, VM_OPERATIONS_CHANGING_MEMORY_LIMITS,
                     STATIC_MIN | DYNAMIC_MIN | DYNAMIC_MAX | STATIC_MAX, &m, e);
}

int co_vm_compute_memory_overhead(struct call *c, const struct vm_compute_memory_overhead_args *a,
                                  union value *ret, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->vm, e);

    if (vm)
        ret->i = vm_memory_overhead(vm);
    return vm ? 0 : -1;
}

/* The most static memory that leaves room for the overhead in `total`. */
int co_vm_maximise_memory(struct call *c, const struct vm_maximise_memory_args *a, union value *ret,
                          struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    if (a->total > most_memory)
        return err_invalid_value(e, "total", "more than 1 PiB");
    struct vm largest = *vm;
    largest.memory_static_max = a->total;
    int64_t left = a->total > 0 ? a->total - vm_memory_overhead(&largest) : 0;
    ret->i = left > 0 ? left & ~(int64_t)0xfffff : 0;
    return 0;
}
