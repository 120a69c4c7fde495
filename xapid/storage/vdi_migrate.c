/* VDI.pool_migrate: a disk that no guest has goes to another SR, and all that means it means it there. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/move_disks.h"

static int co_copy_and_record(struct call *c, struct moving_disks *d, struct undo *u, struct ref *ret,
                              struct err *e)
{
    if (co_move_disks_hold(c, d, e) < 0 || co_move_disks_copy(c, d, u, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    move_disks_record(t, d);
    *ret = d->v[0].made;
    if (db_commit(t, e) < 0)
        return -1;
    move_disks_recorded(d);
    return 0;
}

int co_vdi_pool_migrate(struct call *c, const struct vdi_pool_migrate_args *a, union value *ret,
                        struct err *e)
{
    struct moving_disk disk = {.source = a->vdi, .sr = a->sr};
    struct moving_disks disks = {.x = c->x, .v = &disk, .n = 1};
    struct undo undo = {0};
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, a->vdi, e);

    if (!vdi || !call_row(c, CLASS_SR, a->sr, e))
        return -1;
    if (op_check(c->db, &vdi->row, VDI_OPERATIONS_MIRROR, e) < 0)
        return -1;
    ret->r = a->vdi;
    if (ref_equal(vdi->SR, a->sr))
        return 0;
    if (move_disk_check(c->x, vdi, a->sr, e) < 0)
        return -1;
    int rc = co_copy_and_record(c, &disks, &undo, &ret->r, e);
    if (rc < 0) {
        co_undo_run(&undo);
    } else {
        undo_disarm(&undo);
        co_move_disks_bury(&disks);
    }
    move_disks_release(&disks);
    return rc;
}
