/* Rows that belong to rows which are not there: no operation leaves any, but a database edited or restored by
 * hand may. */
#include <stdlib.h>
#include "db/setters.gen.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "xapid/host/bootstrap.h"

/* What lives and dies with another row. */
static const struct {
    enum model_class_id cls;
    unsigned field;
    enum model_class_id owner;
} owned[] = {
    {CLASS_VBD, VBD_F_VM, CLASS_VM},           {CLASS_VIF, VIF_F_VM, CLASS_VM},
    {CLASS_CONSOLE, CONSOLE_F_VM, CLASS_VM},   {CLASS_VTPM, VTPM_F_VM, CLASS_VM},
    {CLASS_PBD, PBD_F_SR, CLASS_SR},           {CLASS_VDI, VDI_F_SR, CLASS_SR},
    {CLASS_VIF, VIF_F_NETWORK, CLASS_NETWORK},
};

static void drop_orphans(struct txn *t, enum model_class_id cls, unsigned field, enum model_class_id owner)
{
    CLEANUP_BUF struct buf orphans = {0};

    DB_FOREACH (txn_db(t), cls, row) {
        struct ref ref = db_field(txn_db(t), NULL, row, &model_classes[cls].fields[field]).r;
        if (!db_get(txn_db(t), owner, ref))
            buf_add(&orphans, &row->ref, sizeof row->ref);
    }
    for (size_t i = 0; i < orphans.len / sizeof(struct ref); i++) {
        log_warning("dropping a %s whose %s is not there", model_classes[cls].name,
                    model_classes[owner].name);
        db_delete(t, db_get(txn_db(t), cls, ((struct ref *)(void *)orphans.data)[i]));
    }
}

/* A drive whose disk is not there is empty if it is a CD's, and else is no use. */
static void mend_drives(struct txn *t)
{
    CLEANUP_BUF struct buf useless = {0};

    DB_FOREACH_VBD (txn_db(t), vbd) {
        if (ref_is_null(vbd->VDI) || db_vdi(txn_db(t), vbd->VDI))
            continue;
        if (vbd->type != VBD_TYPE_CD) {
            buf_add(&useless, &vbd->row.ref, sizeof vbd->row.ref);
            continue;
        }
        vbd_set_vdi(t, vbd, REF_NULL);
        vbd_set_empty(t, vbd, true);
    }
    for (size_t i = 0; i < useless.len / sizeof(struct ref); i++)
        db_delete(t, db_get(txn_db(t), CLASS_VBD, ((struct ref *)(void *)useless.data)[i]));
}

/* Snapshots of what is not there are of nothing. */
static void mend_snapshots(struct txn *t)
{
    DB_FOREACH_VM (txn_db(t), vm)
        if (!ref_is_null(vm->snapshot_of) && !db_vm(txn_db(t), vm->snapshot_of))
            vm_set_snapshot_of(t, vm, REF_NULL);
    DB_FOREACH_VDI (txn_db(t), vdi)
        if (!ref_is_null(vdi->snapshot_of) && !db_vdi(txn_db(t), vdi->snapshot_of))
            vdi_set_snapshot_of(t, vdi, REF_NULL);
}

/* Metrics that no VM has. */
static void drop_metrics(struct txn *t, enum model_class_id cls, unsigned vm_field)
{
    CLEANUP_BUF struct buf orphans = {0};

    DB_FOREACH (txn_db(t), cls, row)
        if (!db_first_referrer(txn_db(t), CLASS_VM, vm_field, row->ref))
            buf_add(&orphans, &row->ref, sizeof row->ref);
    for (size_t i = 0; i < orphans.len / sizeof(struct ref); i++)
        db_delete(t, db_get(txn_db(t), cls, ((struct ref *)(void *)orphans.data)[i]));
}

void repair_rows(struct txn *t)
{
    for (unsigned i = 0; i < sizeof owned / sizeof *owned; i++)
        drop_orphans(t, owned[i].cls, owned[i].field, owned[i].owner);
    mend_drives(t);
    mend_snapshots(t);
    drop_metrics(t, CLASS_VM_METRICS, VM_F_METRICS);
    drop_metrics(t, CLASS_VM_GUEST_METRICS, VM_F_GUEST_METRICS);
}
