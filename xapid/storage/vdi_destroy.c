/* VDI.destroy removes a disk for good; VDI.forget only its record. */
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"

/* The VDI row; VDI_NOT_MANAGED for the base images of others. */
static const struct vdi *managed_vdi(struct call *c, struct ref ref, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, ref, e);

    if (vdi && !vdi->managed) {
        err_vdi_not_managed(e, REF_TEXT(ref));
        return NULL;
    }
    return vdi;
}

int co_vdi_destroy(struct call *c, const struct vdi_destroy_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op sr_op = {0};
    const struct vdi *vdi = managed_vdi(c, a->self, e);

    if (!vdi || co_op_begin(c, CLASS_VDI, a->self, VDI_OPERATIONS_DESTROY, &op, e) < 0)
        return -1;
    struct ref sr = db_vdi(c->db, a->self)->SR;
    if (co_op_begin(c, CLASS_SR, sr, STORAGE_OPERATIONS_VDI_DESTROY, &sr_op, e) < 0)
        return -1;
    int64_t size = db_vdi(c->db, a->self) ? db_vdi(c->db, a->self)->virtual_size : 0;
    if (co_vdi_remove(c->x, a->self, e) < 0)
        return -1;
    const struct sr *row = db_sr(c->db, sr);
    if (!row)
        return 0;
    struct txn *t = db_begin(c->db);
    sr_set_virtual_allocation(t, row, row->virtual_allocation > size ? row->virtual_allocation - size : 0);
    return db_commit(t, e);
}

int co_vdi_forget(struct call *c, const struct vdi_forget_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VDI, a->vdi, VDI_OPERATIONS_FORGET, &op, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    vdi_delete_row(t, db_vdi(c->db, a->vdi));
    return db_commit(t, e);
}
