/* VBD.create and VBD.destroy: a VM's drive, and the disk in it. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/vbd.h"

bool vbd_device_is_taken(struct db *db, struct ref vm, int number, const struct vbd *except)
{
    FOREACH_REFERRER (db, vbd, vbd, VBD, VM, vm)
        if (vbd != except && device_number(vbd->userdevice) == number)
            return true;
    return false;
}

/* What a drive holds: a disk that may be attached in this mode, or nothing (CD drives only). */
static int check_disk(struct call *c, const struct vbd_create_args *a, struct err *e)
{
    if (a->empty)
        return a->type == VBD_TYPE_CD ? 0 : err_vbd_not_removable_media(e, "in constructor");
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, a->VDI, e);
    if (!vdi)
        return -1;
    if (!vdi->managed)
        return err_vdi_not_managed(e, REF_TEXT(a->VDI));
    if (vdi->type == VDI_TYPE_RRD || vdi->type == VDI_TYPE_CBT_METADATA)
        return err_vdi_incompatible_type(e, REF_TEXT(a->VDI), model_enum_vdi_type.values[vdi->type]);
    if (vdi->read_only && a->mode == VBD_MODE_RW)
        return err_vdi_readonly(e, REF_TEXT(a->VDI));
    return 0;
}

/* The number that userdevice stands for, a free one for "autodetect". Errors: INVALID_DEVICE,
 * DEVICE_ALREADY_EXISTS. */
static int choose_device(struct call *c, const struct vbd_create_args *a, int *ret, struct err *e)
{
    int n = device_number(a->userdevice);

    if (strcmp(a->userdevice, "autodetect") == 0)
        for (n = 0; n < DEVICE_COUNT && vbd_device_is_taken(c->db, a->VM, n, NULL);)
            n++;
    if (n < 0 || n >= DEVICE_COUNT)
        return err_invalid_device(e, a->userdevice);
    if (vbd_device_is_taken(c->db, a->VM, n, NULL))
        return err_device_already_exists(e, a->userdevice);
    *ret = n;
    return 0;
}

static struct ref record(struct call *c, struct txn *t, const struct vbd_create_args *a, int number)
{
    const struct vbd *vbd = vbd_create(t);
    char userdevice[8];

    snprintf(userdevice, sizeof userdevice, "%d", number);
    call_set_members(c, t, &vbd->row, a);
    vbd_set_userdevice(t, vbd, userdevice);
    vbd_set_currently_attached(t, vbd, false);
    if (a->empty)
        vbd_set_vdi(t, vbd, REF_NULL);
    return vbd->row.ref;
}

int co_vbd_create(struct call *c, const struct vbd_create_args *a, union value *ret, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->VM, e);
    int number = 0;

    if (!vm)
        return -1;
    if (vm->power_state == VM_POWER_STATE_SUSPENDED)
        return err_vm_bad_power_state(e, REF_TEXT(a->VM), "halted, paused, running", "suspended");
    if (a->type == VBD_TYPE_CD && a->mode != VBD_MODE_RO)
        return err_vbd_cds_must_be_readonly(e);
    if (check_disk(c, a, e) < 0 || choose_device(c, a, &number, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    ret->r = record(c, t, a, number);
    return db_commit(t, e);
}

int co_vbd_destroy(struct call *c, const struct vbd_destroy_args *a, struct err *e)
{
    const struct vbd *vbd = (const struct vbd *)call_row(c, CLASS_VBD, a->self, e);

    if (!vbd)
        return -1;
    if (map_count(vbd->current_operations) > 0)
        return op_refuse_busy(&vbd->row, vbd->current_operations, e);
    if (vbd->currently_attached)
        return err_operation_not_allowed(e, talloc_asprintf(c->mem, "VBD '%s' is attached", vbd->uuid));
    struct txn *t = db_begin(c->db);
    db_delete(t, &vbd->row);
    return db_commit(t, e);
}
