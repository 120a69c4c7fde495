/* VDI.resize: make a disk larger. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"

static int co_grow(struct call *c, struct ref ref, int64_t size, struct err *e)
{
    const struct vdi *vdi = db_vdi(c->db, ref);
    const char *location = talloc_strdup(c->mem, vdi->location);
    struct sr_handle h;
    struct sm_vdi sm;

    if (sr_open(c->x, c->mem, vdi->SR, &h, e) < 0)
        return -1;
    if (h.driver->co_vdi_resize(&h.sm, c->mem, location, size, &sm, e) < 0)
        return -1;
    if (!(vdi = (const struct vdi *)call_row(c, CLASS_VDI, ref, e)))
        return -1;
    const struct sr *sr = db_sr(c->db, h.ref);
    struct txn *t = db_begin(c->db);
    if (sr)
        sr_set_virtual_allocation(t, sr, sr->virtual_allocation + sm.virtual_size - vdi->virtual_size);
    vdi_set_virtual_size(t, vdi, sm.virtual_size);
    vdi_set_physical_utilisation(t, vdi, sm.physical_utilisation);
    return db_commit(t, e);
}

int co_vdi_resize(struct call *c, const struct vdi_resize_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op sr_op = {0};
    char minimum[32];

    if (co_op_begin(c, CLASS_VDI, a->vdi, VDI_OPERATIONS_RESIZE, &op, e) < 0)
        return -1;
    const struct vdi *vdi = db_vdi(c->db, a->vdi);
    snprintf(minimum, sizeof minimum, "%lld", (long long)vdi->virtual_size);
    if (vdi->read_only)
        return err_vdi_readonly(e, REF_TEXT(a->vdi));
    if (a->size < vdi->virtual_size)
        return err_vdi_too_small(e, REF_TEXT(a->vdi), minimum);
    if (co_op_begin(c, CLASS_SR, vdi->SR, STORAGE_OPERATIONS_VDI_RESIZE, &sr_op, e) < 0)
        return -1;
    return co_grow(c, a->vdi, a->size, e);
}
