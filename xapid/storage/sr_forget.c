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

void sr_forget_rows(struct txn *t, void *mem, struct ref sr)
{
    struct db *db = txn_db(t);
    const struct set *vdis = db_referrers(db, mem, CLASS_VDI, VDI_F_SR, sr);
    const struct set *pbds = db_referrers(db, mem, CLASS_PBD, PBD_F_SR, sr);

    for (uint32_t i = 0; i < set_count(vdis); i++)
        vdi_delete_row(t, db_vdi(db, vdis->v[i].r));
    for (uint32_t i = 0; i < set_count(pbds); i++)
        db_delete(t, db_get(db, CLASS_PBD, pbds->v[i].r));
    clear_pool_defaults(t, sr);
    if (db_sr(db, sr))
        db_delete(t, db_get(db, CLASS_SR, sr));
}

static int forget(struct call *c, struct ref sr, struct err *e)
{
    struct txn *t = db_begin(c->db);

    sr_forget_rows(t, c->mem, sr);
    return db_commit(t, e);
}

int co_sr_forget(struct call *c, const struct sr_forget_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_SR, a->sr, STORAGE_OPERATIONS_FORGET, &op, e) < 0)
        return -1;
    return forget(c, a->sr, e);
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
    return forget(c, a->sr, e);
}
