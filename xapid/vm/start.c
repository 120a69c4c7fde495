/*
 * VM.start and VM.start_on: the example to imitate for an operation that changes a guest.
 *
 * 1. Declare it (co_op_begin), which checks the rules and waits for whatever is in the way. From here on
 * nobody else starts, changes or removes the VM, though rows may change at each wait.
 * 2. Choose a host (placement_choose), and plan on the rows without yielding (vm_build_spec).
 * 3. Ask the agent. It leaves nothing behind when it fails.
 * 4. Record what happened in one transaction: the commit point. If that fails, the undo list takes the guest
 * away.
 */
#include "xapid/vm/start.h"
#include <errno.h>
#include <talloc.h>
#include "lib/log.h"
#include "lib/undo.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/record.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/squeeze.h"

/* ---- the drives: held while they are being attached, so that nobody clones or removes their disks ---- */

struct held_drives {
    struct op *ops;
    unsigned n;
};

static void release_drives(struct held_drives *h)
{
    for (unsigned i = 0; i < h->n; i++)
        op_end(&h->ops[i]);
}

static int co_hold_drives(struct call *c, struct ref vm, struct held_drives *h, struct err *e)
{
    const struct set *vbds = db_referrers(c->db, c->mem, CLASS_VBD, VBD_F_VM, vm);

    h->ops = talloc_zero_array(c->mem, struct op, set_count(vbds) + 1);
    for (uint32_t i = 0; i < set_count(vbds); i++) {
        if (!db_vbd(c->db, vbds->v[i].r))
            continue;
        if (co_op_begin(c, CLASS_VBD, vbds->v[i].r, VBD_OPERATIONS_ATTACH, &h->ops[h->n], e) < 0)
            return -1;
        h->n++;
    }
    return 0;
}

/* ---- the start ---- */

struct started {
    struct xapid *x;
    struct ref host;
    char uuid[UUID_TEXT_SIZE];
    const char *cpu_features; /* on the call's memory; NULL: all that the host has */
};

static int co_stop_again(void *arg)
{
    const struct started *s = arg;
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = host_agent(s->x, s->host, &e);
    return !agent || co_agent_vm_stop(agent, s->uuid, &e) < 0 ? -EIO : 0;
}

/* The processor that the guest has begun with, where that is the host's own: it cannot go on on a lesser one.
 */
static void record_processor(struct txn *t, struct call *c, const struct vm *vm, const char *may_see)
{
    const struct host *host = db_host(c->db, vm->resident_on);
    const char *accelerator = map_get(host->software_version, "accelerator");
    const char *vendor = map_get(host->cpu_info, "vendor"), *all = map_get(host->cpu_info, "features_hvm");
    const struct map *flags = NULL;

    if (accelerator && strcmp(accelerator, "kvm") == 0 && vendor && all)
        flags =
            map_with(c->mem, map_with(c->mem, NULL, "vendor", vendor), "features", may_see ? may_see : all);
    vm_set_last_boot_cpu_flags(t, vm, flags);
}

/* The commit point: the guest is up, and now everybody may know. */
static int co_record(struct call *c, struct ref ref, const struct started *s, const struct hv_vm_facts *facts,
                     struct err *e)
{
    struct vm_guest guest;

    if (co_vm_guest_look(c->x, c->mem, s->host, s->uuid, facts, &guest, e) < 0)
        return -1;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_started(t, c->x, vm, &guest);
    record_processor(t, c, vm, s->cpu_features);
    vm_post_message(t, vm, "VM_STARTED");
    return db_commit(t, e);
}

/* The operation is declared and the drives are held. */
static int co_start_guest(struct call *c, struct ref ref, struct ref host, const struct vm_start_options *o,
                          struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct agent *agent = vm ? host_agent(c->x, host, e) : NULL;
    struct agent_vm_spec spec;
    struct hv_vm_facts facts = {0};
    struct undo undo = {0};

    if (!agent || placement_check(c->x, vm, host, o->force, e) < 0)
        return -1;
    if (vm_build_spec(c->x, c->mem, vm, host, o, &spec, e) < 0)
        return -1;
    struct started started = {.x = c->x, .host = host, .cpu_features = spec.vm.cpu_features};
    memcpy(started.uuid, spec.vm.uuid, sizeof started.uuid);
    if (co_agent_vm_start(agent, &spec, &facts, e) < 0) {
        if (agent_outcome_unknown(e))
            co_stop_again(&started);
        return -1;
    }
    undo_push(&undo, "stop the guest", co_stop_again, &started, sizeof started);
    if (co_record(c, ref, &started, &facts, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    return 0;
}

/* Its memory is reserved there. */
static int co_start_reserved(struct call *c, struct ref ref, struct ref host,
                             const struct vm_start_options *o, struct err *e)
{
    CLEANUP(release_drives) struct held_drives drives = {0};
    CLEANUP_OP struct op host_op = {0};

    if (co_op_begin(c, CLASS_HOST, host, HOST_ALLOWED_OPERATIONS_VM_START, &host_op, e) < 0 ||
        co_hold_drives(c, ref, &drives, e) < 0)
        return -1;
    return co_start_guest(c, ref, host, o, e);
}

int co_vm_start_at(struct call *c, struct ref ref, struct ref host, const struct vm_start_options *o,
                   struct err *e)
{
    if (placement_reserve(c->x, ref, host, e) < 0)
        return -1;
    int rc = co_squeeze_make_room(c, ref, host, e);
    if (rc == 0)
        rc = co_start_reserved(c, ref, host, o, e);
    if (rc < 0)
        placement_release_after(c->x, ref, e);
    return rc;
}

int co_vm_start_somewhere(struct call *c, struct ref ref, struct ref prefer, const struct vm_start_options *o,
                          struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct ref host;

    if (!vm || placement_choose(c->x, vm, prefer, o->force, &host, e) < 0)
        return -1;
    return co_vm_start_at(c, ref, host, o, e);
}

int co_vm_start(struct call *c, const struct vm_start_args *a, struct err *e)
{
    struct vm_start_options o = {.paused = a->start_paused, .force = a->force};
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_START, &op, e) < 0 ||
        co_vm_start_somewhere(c, a->vm, REF_NULL, &o, e) < 0)
        return -1;
    co_lifecycle_look_again(c->x, a->vm);
    return 0;
}

int co_vm_start_on(struct call *c, const struct vm_start_on_args *a, struct err *e)
{
    struct vm_start_options o = {.paused = a->start_paused, .force = a->force};
    CLEANUP_OP struct op op = {0};

    if (!call_row(c, CLASS_HOST, a->host, e) ||
        co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_START_ON, &op, e) < 0 ||
        co_vm_start_at(c, a->vm, a->host, &o, e) < 0)
        return -1;
    co_lifecycle_look_again(c->x, a->vm);
    return 0;
}
