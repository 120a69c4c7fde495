/*
 * VM.revert: a VM becomes again what it was when a snapshot of it was taken.
 *
 * Its disks are replaced by clones of the snapshot's, its settings, drives and NICs by the snapshot's, all in
 * one transaction; then the old disks go. Back to a checkpoint leaves it suspended. Disks that the snapshot
 * does not know are no longer attached, but kept.
 */
#include <talloc.h>
#include "lib/undo.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/copy_record.h"
#include "xapid/vm/stop.h"

/* The disks that are replaced, held and noted (xapid/storage/vdi.h). */
struct old_disks {
    struct xapid *x;
    struct op *ops;
    struct vdi_doomed *disks;
    unsigned n;
    bool gone; /* their rows */
};

static void release_old(struct old_disks *old)
{
    for (unsigned i = 0; i < old->n; i++) {
        if (!old->gone)
            vdi_spare(old->x, &old->disks[i]);
        op_end(&old->ops[i]);
    }
}

/* Does only this VM have the disk, and the snapshot a picture of it? */
static bool is_replaced(struct call *c, const struct vbd *vbd, struct ref snapshot)
{
    bool known = false;

    if (vbd->type != VBD_TYPE_DISK || !db_vdi(c->db, vbd->VDI))
        return false;
    FOREACH_REFERRER (c->db, vbd, other, VBD, VDI, vbd->VDI)
        if (!ref_equal(other->VM, vbd->VM))
            return false;
    FOREACH_REFERRER (c->db, vbd, theirs, VBD, VM, snapshot) {
        const struct vdi *picture = db_vdi(c->db, theirs->VDI);
        known = known || (picture && ref_equal(picture->snapshot_of, vbd->VDI));
    }
    return known;
}

static int co_doom_old(struct call *c, struct ref vm, struct ref snapshot, struct old_disks *old,
                       struct err *e)
{
    const struct set *vbds = db_referrers(c->db, c->mem, CLASS_VBD, VBD_F_VM, vm);

    old->x = c->x;
    old->ops = talloc_zero_array(c->mem, struct op, set_count(vbds) + 1);
    old->disks = talloc_zero_array(c->mem, struct vdi_doomed, set_count(vbds) + 1);
    for (uint32_t i = 0; i < set_count(vbds); i++) {
        const struct vbd *vbd = db_vbd(c->db, vbds->v[i].r);
        if (!vbd || !is_replaced(c, vbd, snapshot))
            continue;
        struct ref vdi = vbd->VDI;
        if (co_op_begin(c, CLASS_VDI, vdi, VDI_OPERATIONS_DESTROY, &old->ops[old->n], e) < 0)
            return -1;
        if (co_vdi_doom(c->x, vdi, &old->disks[old->n], e) < 0) {
            op_end(&old->ops[old->n]);
            return -1;
        }
        old->n++;
    }
    return 0;
}

static int co_replace(struct call *c, struct ref vm, struct ref snapshot, struct copied_disks *list,
                      struct undo *u, struct old_disks *old, struct err *e)
{
    struct vm_copying copy = {.kind = VM_COPY_CLONE, .source = snapshot, .memory = true};

    if (co_vm_copy_storage(c, &copy, list, u, e) < 0 || co_doom_old(c, vm, snapshot, old, e) < 0)
        return -1;
    if (vm_revert_record(c, vm, snapshot, list, old->disks, old->n, e) < 0)
        return -1;
    old->gone = true;
    return 0;
}

static int co_revert(struct call *c, struct ref vm, struct ref snapshot, struct err *e)
{
    CLEANUP(release_old) struct old_disks old = {0};
    struct copied_disks list = {0};
    struct undo undo = {0};

    if (co_replace(c, vm, snapshot, &list, &undo, &old, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_vm_storage_made(c->x, &list);
    for (unsigned i = 0; i < old.n; i++)
        co_vdi_bury(c->x, &old.disks[i]);
    return 0;
}

int co_vm_revert(struct call *c, const struct vm_revert_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op snapshot_op = {0};
    const struct vm *snapshot, *vm;

    if (co_op_begin(c, CLASS_VM, a->snapshot, VM_OPERATIONS_REVERT, &snapshot_op, e) < 0)
        return -1;
    snapshot = db_vm(c->db, a->snapshot);
    struct ref ref = snapshot->snapshot_of;
    if (!db_vm(c->db, ref))
        return err_vm_revert_failed(e, REF_TEXT(ref), REF_TEXT(a->snapshot));
    if (co_op_begin(c, CLASS_VM, ref, VM_OPERATIONS_REVERTING, &op, e) < 0)
        return -1;
    vm = db_vm(c->db, ref);
    if (vm->power_state != VM_POWER_STATE_HALTED && co_vm_stop_hard(c, ref, e) < 0)
        return -1;
    return co_revert(c, ref, a->snapshot, e);
}
