/* VBD.plug, VBD.unplug, VBD.unplug_force: disks of guests that run. */
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/unplug.h"
#include "xapid/vm/spec.h"

/* The drive as its guest has it, or is to have it. */
struct plug {
    struct agent_disk disk;
    struct unplug unplug;
};

static int describe(struct call *c, struct ref ref, struct plug *ret, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, ref, e);
    const struct vm *vm = vbd ? (const struct vm *)call_row(c, CLASS_VM, vbd->VM, e) : NULL;

    if (!vm || vm_describe_disk(c->x, c->mem, vm, vbd, vm->resident_on, &ret->disk, e) < 0)
        return -1;
    if (!ret->disk.sr.type)
        return err_vbd_is_empty(e, REF_TEXT(ref));
    ret->unplug = (struct unplug){.kind = HV_DEVICE_DISK,
                                  .ref = ref,
                                  .vm = vm->row.ref,
                                  .vm_uuid = talloc_strdup(c->mem, vm->uuid),
                                  .device_uuid = ret->disk.vbd_uuid,
                                  .number = ret->disk.userdevice};
    return 0;
}

/* Errors: VM_BAD_POWER_STATE when the guest's end has been recorded meanwhile. */
static int record(struct call *c, struct ref ref, bool attached, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, ref, e);
    const struct vm *vm = vbd ? (const struct vm *)call_row(c, CLASS_VM, vbd->VM, e) : NULL;
    char name[8];

    if (!vm)
        return -1;
    if (attached && vm->power_state == VM_POWER_STATE_HALTED)
        return err_vm_bad_power_state(e, REF_TEXT(vm->row.ref), "running", "halted");
    struct txn *t = db_begin(c->db);
    device_name((unsigned)device_number(vbd->userdevice), name);
    vbd_set_currently_attached(t, vbd, attached);
    if (attached)
        vbd_set_device(t, vbd, name);
    return db_commit(t, e);
}

/* What fails only once is tried again: a guest may not give back what it was given. */
static int co_record_plugged(struct call *c, struct ref ref, const struct unplug *u, struct err *e)
{
    CLEANUP_ERR struct err first = {0};

    if (record(c, ref, true, &first) == 0 || record(c, ref, true, e) == 0)
        return 0;
    co_unplug_again(c, u);
    return -1;
}

static int co_give(struct call *c, const struct plug *p, struct err *e)
{
    struct agent *agent = vm_agent(c->x, p->unplug.vm, e);

    return agent ? co_agent_plug_disk(agent, p->unplug.vm_uuid, &p->disk, e) : -1;
}

int co_vbd_plug(struct call *c, const struct vbd_plug_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct plug p;

    if (co_op_begin(c, CLASS_VBD, a->self, VBD_OPERATIONS_PLUG, &op, e) < 0 ||
        describe(c, a->self, &p, e) < 0 || co_give(c, &p, e) < 0)
        return -1;
    return co_record_plugged(c, a->self, &p.unplug, e);
}

static void co_plug_again(struct call *c, const struct plug *p)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (co_give(c, p, &e) < 0)
        log_warning("giving a disk back to VM %s: %s", p->unplug.vm_uuid, err_text(c->mem, &e));
    fiber_unmask_cancel();
}

static int co_take(struct call *c, struct ref ref, int operation, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct plug p;

    if (co_op_begin(c, CLASS_VBD, ref, operation, &op, e) < 0 || describe(c, ref, &p, e) < 0)
        return -1;
    p.unplug.force = operation == VBD_OPERATIONS_UNPLUG_FORCE;
    if (co_unplug(c, &p.unplug, e) < 0)
        return -1;
    if (record(c, ref, false, e) == 0)
        return 0;
    co_plug_again(c, &p);
    return -1;
}

int co_vbd_unplug(struct call *c, const struct vbd_unplug_args *a, struct err *e)
{
    return co_take(c, a->self, VBD_OPERATIONS_UNPLUG, e);
}

int co_vbd_unplug_force(struct call *c, const struct vbd_unplug_force_args *a, struct err *e)
{
    return co_take(c, a->self, VBD_OPERATIONS_UNPLUG_FORCE, e);
}
