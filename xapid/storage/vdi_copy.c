/* VDI.copy: a full copy, on another SR or into a disk that exists. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/copy.h"

static int co_copy_to_new(struct call *c, struct ref source, struct ref sr, struct undo *u, struct sm_vdi *sm,
                          struct ref *ret, struct err *e)
{
    if (co_vdi_make_copy(c->x, c->mem, source, sr, u, sm, e) < 0)
        return -1;
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, source, e);
    if (!vdi || !call_row(c, CLASS_SR, sr, e))
        return -1;
    struct txn *t = db_begin(c->db);
    const struct vdi *made = vdi_record(t, sr, sm, &(struct vdi_names){0});
    vdi_inherit(t, made, vdi);
    vdi_set_read_only(t, made, false);
    *ret = made->row.ref;
    return db_commit(t, e);
}

static int co_copy_new(struct call *c, struct ref source, struct ref sr, struct ref *ret, struct err *e)
{
    CLEANUP_OP struct op sr_op = {0};
    struct undo undo = {0};
    struct sm_vdi sm;

    if (co_op_begin(c, CLASS_SR, sr, STORAGE_OPERATIONS_VDI_CREATE, &sr_op, e) < 0)
        return -1;
    if (co_copy_to_new(c, source, sr, &undo, &sm, ret, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_vdi_made(c->x, sm.uuid);
    return 0;
}

static bool comes_first(struct ref a, struct ref b)
{
    return a.hi != b.hi ? a.hi < b.hi : a.lo < b.lo;
}

/* In an order of their own, so that copies to and fro do not wait for each other. The target stands still as
 * for a removal. */
static int co_begin_both(struct call *c, struct ref source, struct ref target, struct op *from, struct op *to,
                         struct err *e)
{
    if (ref_equal(source, target))
        return err_vdi_in_use(e, REF_TEXT(source), "copy");
    if (comes_first(source, target) && co_op_begin(c, CLASS_VDI, source, VDI_OPERATIONS_COPY, from, e) < 0)
        return -1;
    if (co_op_begin(c, CLASS_VDI, target, VDI_OPERATIONS_DESTROY, to, e) < 0)
        return -1;
    return from->db ? 0 : co_op_begin(c, CLASS_VDI, source, VDI_OPERATIONS_COPY, from, e);
}

/* The target must be free, writable and large enough. */
static int co_copy_into(struct call *c, struct ref source, struct ref target, struct err *e)
{
    CLEANUP_OP struct op from_op = {0};
    CLEANUP_OP struct op to_op = {0};
    char size[32];

    if (co_begin_both(c, source, target, &from_op, &to_op, e) < 0)
        return -1;
    const struct vdi *from = (const struct vdi *)call_row(c, CLASS_VDI, source, e);
    const struct vdi *to = (const struct vdi *)call_row(c, CLASS_VDI, target, e);
    if (!from || !to)
        return -1;
    if (to->read_only)
        return err_vdi_readonly(e, REF_TEXT(target));
    snprintf(size, sizeof size, "%lld", (long long)from->virtual_size);
    if (to->virtual_size < from->virtual_size)
        return err_vdi_too_small(e, REF_TEXT(target), size);
    return co_vdi_copy_data(c->x, from->SR, talloc_strdup(c->mem, from->location), to->SR,
                            talloc_strdup(c->mem, to->location), e);
}

/* base_vdi only promises that the target has its blocks already; a full copy is right in any case. */
int co_vdi_copy(struct call *c, const struct vdi_copy_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (!call_row(c, CLASS_VDI, a->vdi, e))
        return -1;
    if (!ref_is_null(a->into_vdi)) {
        ret->r = a->into_vdi;
        return co_copy_into(c, a->vdi, a->into_vdi, e);
    }
    if (co_op_begin(c, CLASS_VDI, a->vdi, VDI_OPERATIONS_COPY, &op, e) < 0)
        return -1;
    struct ref sr = ref_is_null(a->sr) ? db_vdi(c->db, a->vdi)->SR : a->sr;
    return co_copy_new(c, a->vdi, sr, &ret->r, e);
}
