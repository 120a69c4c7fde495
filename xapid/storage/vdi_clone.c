/* VDI.clone and VDI.snapshot: a disk that shares the blocks of another. */
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/live_disks.h"

/* writer: the VM that stands still for a snapshot. */
static int co_make(struct call *c, struct ref source, bool snapshot, struct ref writer, struct undo *u,
                   struct sm_vdi *sm, struct ref *ret, struct err *e)
{
    const struct vdi *vdi = db_vdi(c->db, source);
    struct vdi_making_args how = {.how = snapshot ? VDI_MAKE_SNAPSHOT : VDI_MAKE_CLONE,
                                  .location = talloc_strdup(c->mem, vdi->location)};
    struct sr_handle h;

    if (sr_open(c->x, c->mem, vdi->SR, &h, e) < 0 || (snapshot && co_live_follow(c, writer, source, e) < 0) ||
        co_vdi_make(c->x, &h, c->mem, &how, u, sm, e) < 0 ||
        (snapshot && co_live_follow(c, writer, source, e) < 0))
        return -1;
    if (!(vdi = (const struct vdi *)call_row(c, CLASS_VDI, source, e)))
        return -1;
    struct txn *t = db_begin(c->db);
    const struct vdi *made = vdi_record(t, h.ref, sm, &(struct vdi_names){0});
    vdi_inherit(t, made, vdi);
    if (snapshot)
        vdi_mark_snapshot(t, made, source, clock_wall());
    *ret = made->row.ref;
    return db_commit(t, e);
}

static int co_clone(struct call *c, struct ref source, bool snapshot, struct ref writer, struct ref *ret,
                    struct err *e)
{
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op sr_op = {0};
    struct undo undo = {0};
    struct sm_vdi sm;
    int on_vdi = snapshot ? VDI_OPERATIONS_SNAPSHOT : VDI_OPERATIONS_CLONE;
    int on_sr = snapshot ? STORAGE_OPERATIONS_VDI_SNAPSHOT : STORAGE_OPERATIONS_VDI_CLONE;

    if (co_op_begin(c, CLASS_VDI, source, on_vdi, &op, e) < 0 ||
        co_op_begin(c, CLASS_SR, db_vdi(c->db, source)->SR, on_sr, &sr_op, e) < 0)
        return -1;
    if (co_make(c, source, snapshot, writer, &undo, &sm, ret, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_vdi_made(c->x, sm.uuid);
    return 0;
}

int co_vdi_clone(struct call *c, const struct vdi_clone_args *a, union value *ret, struct err *e)
{
    return co_clone(c, a->vdi, false, REF_NULL, &ret->r, e);
}

/* A guest that writes to the disk stands still meanwhile. */
int co_vdi_snapshot(struct call *c, const struct vdi_snapshot_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    bool held = false;
    int rc;

    if (!call_row(c, CLASS_VDI, a->vdi, e))
        return -1;
    struct ref writer = live_writer(c, a->vdi);
    if (!ref_is_null(writer) && (co_op_begin(c, CLASS_VM, writer, VM_OPERATIONS_SNAPSHOT, &op, e) < 0 ||
                                 co_live_hold(c, writer, &held, e) < 0))
        return -1;
    rc = co_clone(c, a->vdi, true, writer, &ret->r, e);
    if (held)
        co_live_let_go(c, writer);
    return rc;
}
