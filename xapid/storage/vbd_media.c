/* VBD.insert, VBD.eject: the medium in a CD drive. What else of a drive can be changed. */
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op_rules.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/vbd.h"
#include "xapid/vm/spec.h"

/* What may lie in a drive that only reads. */
static int check_medium(struct call *c, struct ref ref, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, ref, e);

    if (!vdi)
        return -1;
    if (!vdi->managed)
        return err_vdi_not_managed(e, REF_TEXT(ref));
    if (vdi->missing)
        return err_vdi_missing(e, REF_TEXT(vdi->SR), REF_TEXT(ref));
    if (map_count(vdi->current_operations) > 0 &&
        !op_current_only(vdi->current_operations, OP_BIT(VDI_OPERATIONS_COPY)))
        return op_refuse_busy(&vdi->row, vdi->current_operations, e);
    FOREACH_REFERRER (c->db, vbd, vbd, VBD, VDI, ref)
        if (vbd->currently_attached && vbd->mode == VBD_MODE_RW && !vdi->sharable)
            return err_vdi_in_use(e, REF_TEXT(ref), "insert");
    return 0;
}

/* The drive as its VM's guest has it, with this disk in it (null: none). */
static int describe(struct call *c, const struct vbd *vbd, struct ref medium, struct agent_disk *ret,
                    struct err *e)
{
    struct vbd changed = *vbd;

    changed.VDI = medium;
    const struct vm *vm = db_vm(c->db, vbd->VM);
    return vm_describe_disk(c->x, c->mem, vm, &changed, vm->resident_on, ret, e);
}

/* Do it to the guest as well, if there is one that has the drive. */
static int co_change_guest(struct call *c, struct ref ref, struct ref medium, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, ref, e);
    const struct vm *vm = vbd ? db_vm(c->db, vbd->VM) : NULL;
    struct agent_disk disk;

    if (!vbd)
        return -1;
    if (!vm || !vbd->currently_attached)
        return 0;
    const char *uuid = talloc_strdup(c->mem, vm->uuid);
    struct agent *agent = vm_agent(c->x, vm->row.ref, e);
    if (!agent || describe(c, vbd, medium, &disk, e) < 0)
        return -1;
    return ref_is_null(medium) ? co_agent_eject(agent, uuid, &disk, e)
                               : co_agent_insert(agent, uuid, &disk, e);
}

static int record(struct call *c, struct ref ref, struct ref vdi, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, ref, e);

    if (!vbd || (!ref_is_null(vdi) && check_medium(c, vdi, e) < 0))
        return -1;
    struct txn *t = db_begin(c->db);
    vbd_set_vdi(t, vbd, vdi);
    vbd_set_empty(t, vbd, ref_is_null(vdi));
    return db_commit(t, e);
}

/* What cannot be recorded is taken back. */
static void co_put_back(struct call *c, struct ref ref, struct ref medium)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (co_change_guest(c, ref, medium, &e) < 0)
        log_warning("putting back the medium of a drive: %s", err_text(c->mem, &e));
    fiber_unmask_cancel();
}

/* The operation is declared. */
static int co_set_medium(struct call *c, struct ref ref, struct ref vdi, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, ref, e);

    if (!vbd)
        return -1;
    struct ref before = vbd->VDI;
    if (co_change_guest(c, ref, vdi, e) < 0)
        return -1;
    if (record(c, ref, vdi, e) == 0)
        return 0;
    co_put_back(c, ref, before);
    return -1;
}

int co_vbd_insert(struct call *c, const struct vbd_insert_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VBD, a->vbd, VBD_OPERATIONS_INSERT, &op, e) < 0 ||
        check_medium(c, a->vdi, e) < 0)
        return -1;
    return co_set_medium(c, a->vbd, a->vdi, e);
}

int co_vbd_eject(struct call *c, const struct vbd_eject_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VBD, a->vbd, VBD_OPERATIONS_EJECT, &op, e) < 0)
        return -1;
    return co_set_medium(c, a->vbd, REF_NULL, e);
}

int co_vbd_assert_attachable(struct call *c, const struct vbd_assert_attachable_args *a, struct err *e)
{
    const struct row *vbd = call_row(c, CLASS_VBD, a->self, e);
    return vbd ? op_check(c->db, vbd, VBD_OPERATIONS_ATTACH, e) : -1;
}

int co_vbd_set_mode(struct call *c, const struct vbd_set_mode_args *a, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, a->self, e);
    const struct vdi *vdi = vbd ? db_vdi(c->db, vbd->VDI) : NULL;

    if (!vbd)
        return -1;
    if (vbd->currently_attached)
        return err_operation_not_allowed(e, "The mode of an attached drive cannot be changed");
    if (vbd->type == VBD_TYPE_CD && a->value != VBD_MODE_RO)
        return err_vbd_cds_must_be_readonly(e);
    if (vdi && vdi->read_only && a->value == VBD_MODE_RW)
        return err_vdi_readonly(e, REF_TEXT(vbd->VDI));
    struct txn *t = db_begin(c->db);
    vbd_set_mode(t, vbd, a->value);
    return db_commit(t, e);
}

int co_vbd_set_userdevice(struct call *c, const struct vbd_set_userdevice_args *a, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, a->self, e);
    int number = device_number(a->value);

    if (!vbd)
        return -1;
    if (number < 0)
        return err_invalid_device(e, a->value);
    if (vbd->currently_attached)
        return err_operation_not_allowed(e, "The device of an attached drive cannot be changed");
    if (vbd_device_is_taken(c->db, vbd->VM, number, vbd))
        return err_device_already_exists(e, a->value);
    struct txn *t = db_begin(c->db);
    vbd_set_userdevice(t, vbd, talloc_asprintf(c->mem, "%d", number));
    return db_commit(t, e);
}
