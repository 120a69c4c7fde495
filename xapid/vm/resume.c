/*
 * VM.resume and VM.resume_on: the guest goes on from its memory image.
 *
 * It is restored standing still and recorded before it goes on, so that until then the image is still true
 * and can be kept. The image is removed once the guest runs.
 */
#include <errno.h>
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/undo.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/image.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/record.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/squeeze.h"

struct restored {
    struct xapid *x;
    struct ref host;
    char uuid[UUID_TEXT_SIZE];
};

/* The undo step. */
static int co_end_again(void *arg)
{
    const struct restored *r = arg;
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = host_agent(r->x, r->host, &e);

    return !agent || co_agent_vm_stop(agent, r->uuid, &e) < 0 ? -EIO : 0;
}

static int plan(struct call *c, struct ref ref, struct ref host, bool force, struct agent_vm_spec *ret,
                struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct vm_start_options o = {.paused = true, .force = force};

    if (!vm)
        return -1;
    if (!db_vdi(c->db, vm->suspend_VDI))
        return err_vm_has_no_suspend_vdi(e, REF_TEXT(ref));
    if (placement_check(c->x, vm, host, force, e) < 0 ||
        vm_build_spec(c->x, c->mem, vm, host, &o, ret, e) < 0)
        return -1;
    return image_of_vdi(c->x, c->mem, vm->suspend_VDI, host, &ret->image, e);
}

static int co_record(struct call *c, struct ref ref, const struct restored *r, struct hv_vm_facts facts,
                     bool paused, struct err *e)
{
    struct vm_guest guest;

    facts.state = paused ? HV_STATE_PAUSED : HV_STATE_RUNNING;
    if (co_vm_guest_look(c->x, c->mem, r->host, r->uuid, &facts, &guest, e) < 0)
        return -1;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_started(t, c->x, vm, &guest);
    vm_post_message(t, vm, "VM_RESUMED");
    return db_commit(t, e);
}

/* It is recorded as running, so whatever happens it does not stay suspended: at worst it stands still. */
static int co_let_go(struct call *c, struct ref ref, const char *uuid, struct err *e)
{
    struct agent *agent = vm_agent(c->x, ref, e);
    int rc;

    fiber_mask_cancel();
    rc = agent ? co_agent_vm_unpause(agent, uuid, e) : -1;
    if (rc < 0)
        co_vm_record_truth(c, ref);
    fiber_unmask_cancel();
    return rc;
}

static int co_restore(struct call *c, struct ref ref, struct ref host, bool paused, bool force, struct err *e)
{
    struct restored restored = {.x = c->x, .host = host};
    struct agent *agent = host_agent(c->x, host, e);
    struct hv_vm_facts facts = {0};
    struct agent_vm_spec spec;
    struct undo undo = {0};

    if (!agent || plan(c, ref, host, force, &spec, e) < 0)
        return -1;
    memcpy(restored.uuid, spec.vm.uuid, sizeof restored.uuid);
    if (co_agent_vm_start(agent, &spec, &facts, e) < 0) {
        if (agent_outcome_unknown(e))
            co_end_again(&restored);
        return -1;
    }
    undo_push(&undo, "end the restored guest", co_end_again, &restored, sizeof restored);
    if (co_record(c, ref, &restored, facts, paused, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    int rc = paused ? 0 : co_let_go(c, ref, restored.uuid, e);
    co_image_forget(c->x, ref);
    return rc;
}

/* The operation is declared. */
static int co_resume_at(struct call *c, struct ref ref, struct ref host, bool paused, bool force,
                        struct err *e)
{
    CLEANUP_OP struct op host_op = {0};

    if (placement_reserve(c->x, ref, host, e) < 0)
        return -1;
    if (co_squeeze_make_room(c, ref, host, e) < 0 ||
        co_op_begin(c, CLASS_HOST, host, HOST_ALLOWED_OPERATIONS_VM_RESUME, &host_op, e) < 0 ||
        co_restore(c, ref, host, paused, force, e) < 0) {
        placement_release_after(c->x, ref, e);
        return -1;
    }
    squeeze_look_anew(host);
    co_lifecycle_look_again(c->x, ref);
    return 0;
}

int co_vm_resume(struct call *c, const struct vm_resume_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct ref host;

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_RESUME, &op, e) < 0 ||
        placement_choose(c->x, db_vm(c->db, a->vm), REF_NULL, a->force, &host, e) < 0)
        return -1;
    return co_resume_at(c, a->vm, host, a->start_paused, a->force, e);
}

int co_vm_resume_on(struct call *c, const struct vm_resume_on_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (!call_row(c, CLASS_HOST, a->host, e) ||
        co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_RESUME_ON, &op, e) < 0)
        return -1;
    return co_resume_at(c, a->vm, a->host, a->start_paused, a->force, e);
}
