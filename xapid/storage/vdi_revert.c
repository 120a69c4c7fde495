/* VDI.revert: a disk holds again what a snapshot of it does, and stays the object that it is. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"

static int record(struct call *c, struct ref ref, const struct sm_vdi *sm, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, ref, e);

    if (!vdi)
        return -1;
    struct txn *t = db_begin(c->db);
    vdi_set_virtual_size(t, vdi, sm->virtual_size);
    vdi_set_physical_utilisation(t, vdi, sm->physical_utilisation);
    return db_commit(t, e);
}

static int co_revert(struct call *c, struct ref ref, struct ref snapshot, struct err *e)
{
    const struct vdi *vdi = db_vdi(c->db, ref), *from = db_vdi(c->db, snapshot);
    const char *location = talloc_strdup(c->mem, text_of(vdi->location)),
               *picture = talloc_strdup(c->mem, text_of(from->location));
    CLEANUP_ERR struct err first = {0};
    struct sr_handle h;
    struct sm_vdi sm;

    if (!ref_equal(vdi->SR, from->SR))
        return err_operation_not_allowed(e, "The snapshot is on another SR than its disk");
    if (sr_open(c->x, c->mem, vdi->SR, &h, e) < 0 ||
        co_agent_vdi_revert(h.agent, &h.sm, c->mem, location, picture, &sm, e) < 0)
        return -1;
    /* The disk has changed: a record that fails once is tried again, and a scan of the SR makes it, too. */
    return record(c, ref, &sm, &first) == 0 ? 0 : record(c, ref, &sm, e);
}

int co_vdi_revert(struct call *c, const struct vdi_revert_args *a, struct err *e)
{
    CLEANUP_OP struct op from_op = {0};
    CLEANUP_OP struct op to_op = {0};

    if (co_op_begin(c, CLASS_VDI, a->snapshot, VDI_OPERATIONS_REVERT_FROM, &from_op, e) < 0)
        return -1;
    struct ref ref = db_vdi(c->db, a->snapshot)->snapshot_of;
    if (co_op_begin(c, CLASS_VDI, ref, VDI_OPERATIONS_REVERT_TO, &to_op, e) < 0)
        return -1;
    return co_revert(c, ref, a->snapshot, e);
}
