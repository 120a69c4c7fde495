/* VDI.create: a new, empty disk. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"

static const struct vdi *record_new(struct txn *t, const struct vdi_create_args *a, const struct sm_vdi *sm)
{
    const struct vdi *vdi = vdi_record(t, a->SR, sm, &(struct vdi_names){a->name_label, a->name_description});
    const struct sr *sr = db_sr(txn_db(t), a->SR);

    vdi_set_type(t, vdi, a->type);
    vdi_set_sharable(t, vdi, a->sharable);
    vdi_set_read_only(t, vdi, a->read_only);
    vdi_set_other_config(t, vdi, a->other_config);
    vdi_set_xenstore_data(t, vdi, a->xenstore_data);
    vdi_set_sm_config(t, vdi, a->sm_config);
    vdi_set_tags(t, vdi, a->tags);
    sr_set_virtual_allocation(t, sr, sr->virtual_allocation + sm->virtual_size);
    return vdi;
}

static int co_make(struct call *c, const struct vdi_create_args *a, struct undo *u, struct sm_vdi *sm,
                   struct ref *ret, struct err *e)
{
    struct sr_handle h;
    struct vdi_making_args how = {.how = VDI_MAKE_NEW, .size = a->virtual_size, .sm_config = a->sm_config};

    if (sr_open(c->x, c->mem, a->SR, &h, e) < 0 || co_vdi_make(c->x, &h, c->mem, &how, u, sm, e) < 0)
        return -1;
    if (!call_row(c, CLASS_SR, a->SR, e))
        return -1;
    struct txn *t = db_begin(c->db);
    *ret = record_new(t, a, sm)->row.ref;
    return db_commit(t, e);
}

int co_vdi_create(struct call *c, const struct vdi_create_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct undo undo = {0};
    struct sm_vdi sm;

    if (a->virtual_size < 0)
        return err_invalid_value(e, "virtual_size", "the size of a disk cannot be negative");
    if (co_op_begin(c, CLASS_SR, a->SR, STORAGE_OPERATIONS_VDI_CREATE, &op, e) < 0)
        return -1;
    if (co_make(c, a, &undo, &sm, &ret->r, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_vdi_made(c->x, sm.uuid);
    return 0;
}
