/* SR.forget drops the rows of an SR and leaves its storage; SR.destroy removes the storage too. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"

static void clear_pool_defaults(struct txn *t, struct ref sr)
{
    DB_FOREACH_POOL (txn_db(t), pool) {
        if (ref_equal(pool->default_SR, sr))
            pool_set_default_sr(t, pool, REF_NULL);
        if (ref_equal(pool->suspend_image_SR, sr))
            pool_set_suspend_image_sr(t, pool, REF_NULL);
        if (ref_equal(pool->crash_dump_SR, sr))
            pool_set_crash_dump_sr(t, pool, REF_NULL);
    }
}

/* The SR's rows and those of its PBDs and disks. */
static int forget_rows(struct call *c, struct ref ref, struct err *e)
{
    const struct set *vdis = db_referrers(c->db, c->mem, CLASS_VDI, VDI_F_SR, ref);
    const struct set *pbds = db_referrers(c->db, c->mem, CLASS_PBD, PBD_F_SR, ref);
    struct txn *t = db_begin(c->db);

    for (uint32_t i = 0; i < set_count(vdis); i++)
        vdi_delete_row(t, db_vdi(c->db, vdis->v[i].r));
    for (uint32_t i = 0; i < set_count(pbds); i++)
        db_delete(t, db_get(c->db, CLASS_PBD, pbds->v[i].r));
    clear_pool_defaults(t, ref);
    if (db_sr(c->db, ref))
        db_delete(t, db_get(c->db, CLASS_SR, ref));
    return db_commit(t, e);
}

int co_sr_forget(struct call *c, const struct sr_forget_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_SR, a->sr, STORAGE_OPERATIONS_FORGET, &op, e) < 0)
        return -1;
    return forget_rows(c, a->sr, e);
}

int co_sr_destroy(struct call *c, const struct sr_destroy_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct sr_handle h;

    if (co_op_begin(c, CLASS_SR, a->sr, STORAGE_OPERATIONS_DESTROY, &op, e) < 0 ||
        sr_open(c->x, c->mem, a->sr, &h, e) < 0)
        return -1;
    if (!h.driver->co_sr_destroy)
        return err_sr_operation_not_supported(e, REF_TEXT(a->sr));
    if (co_agent_sr_destroy(h.agent, &h.sm, e) < 0)
        return -1;
    return forget_rows(c, a->sr, e);
}
