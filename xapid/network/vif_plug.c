/* VIF.plug, VIF.unplug, VIF.unplug_force: NICs of guests that run. */
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/network/vif_address.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/unplug.h"
#include "xapid/vm/spec.h"

/* The NIC as its guest has it, or is to have it. */
struct plug {
    struct agent_nic nic;
    struct unplug unplug;
};

static int describe(struct call *c, struct ref ref, struct plug *ret, struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, ref, e);
    const struct vm *vm = vif ? (const struct vm *)call_row(c, CLASS_VM, vif->VM, e) : NULL;

    if (!vm || !call_row(c, CLASS_NETWORK, vif->network, e))
        return -1;
    vm_describe_nic(c->x, c->mem, vif, &ret->nic);
    ret->unplug = (struct unplug){.kind = HV_DEVICE_NIC,
                                  .ref = ref,
                                  .vm = vm->row.ref,
                                  .vm_uuid = talloc_strdup(c->mem, vm->uuid),
                                  .device_uuid = ret->nic.vif_uuid,
                                  .number = ret->nic.device};
    return 0;
}

/* Errors: VM_BAD_POWER_STATE when the guest's end has been recorded meanwhile. */
static int record(struct call *c, struct ref ref, bool attached, struct err *e)
{
    const struct vif *vif = (const struct vif *)call_row(c, CLASS_VIF, ref, e);
    const struct vm *vm = vif ? (const struct vm *)call_row(c, CLASS_VM, vif->VM, e) : NULL;

    if (!vm)
        return -1;
    if (attached && vm->power_state == VM_POWER_STATE_HALTED)
        return err_vm_bad_power_state(e, REF_TEXT(vm->row.ref), "running", "halted");
    struct txn *t = db_begin(c->db);
    vif_set_currently_attached(t, vif, attached);
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

    return agent ? co_agent_plug_nic(agent, p->unplug.vm_uuid, &p->nic, e) : -1;
}

int co_vif_plug(struct call *c, const struct vif_plug_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct plug p;

    if (co_op_begin(c, CLASS_VIF, a->self, VIF_OPERATIONS_PLUG, &op, e) < 0 ||
        describe(c, a->self, &p, e) < 0 || co_give(c, &p, e) < 0)
        return -1;
    int r = co_record_plugged(c, a->self, &p.unplug, e);
    const struct vm *vm = db_vm(c->db, p.unplug.vm);
    if (r == 0 && vm)
        vif_addresses_apply(c->x, vm, false);
    return r;
}

static void co_plug_again(struct call *c, const struct plug *p)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (co_give(c, p, &e) < 0)
        log_warning("giving a NIC back to VM %s: %s", p->unplug.vm_uuid, err_text(c->mem, &e));
    fiber_unmask_cancel();
}

static int co_take(struct call *c, struct ref ref, bool force, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct plug p;

    if (co_op_begin(c, CLASS_VIF, ref, VIF_OPERATIONS_UNPLUG, &op, e) < 0 || describe(c, ref, &p, e) < 0)
        return -1;
    p.unplug.force = force;
    if (co_unplug(c, &p.unplug, e) < 0)
        return -1;
    if (record(c, ref, false, e) == 0)
        return 0;
    co_plug_again(c, &p);
    return -1;
}

int co_vif_unplug(struct call *c, const struct vif_unplug_args *a, struct err *e)
{
    return co_take(c, a->self, false, e);
}

int co_vif_unplug_force(struct call *c, const struct vif_unplug_force_args *a, struct err *e)
{
    return co_take(c, a->self, true, e);
}
