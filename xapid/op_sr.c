/* What may be done to an SR and to a PBD when. */
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"

#define OP(name) OP_BIT(STORAGE_OPERATIONS_##name)

static const char *const messages[STORAGE_OPERATIONS_COUNT] = {
    [STORAGE_OPERATIONS_SCAN] = "SR.scan",
    [STORAGE_OPERATIONS_DESTROY] = "SR.destroy",
    [STORAGE_OPERATIONS_FORGET] = "SR.forget",
    [STORAGE_OPERATIONS_PLUG] = "PBD.plug",
    [STORAGE_OPERATIONS_UNPLUG] = "PBD.unplug",
    [STORAGE_OPERATIONS_UPDATE] = "SR.update",
    [STORAGE_OPERATIONS_VDI_CREATE] = "VDI.create",
    [STORAGE_OPERATIONS_VDI_INTRODUCE] = "VDI.introduce",
    [STORAGE_OPERATIONS_VDI_DESTROY] = "VDI.destroy",
    [STORAGE_OPERATIONS_VDI_RESIZE] = "VDI.resize",
    [STORAGE_OPERATIONS_VDI_CLONE] = "VDI.clone",
    [STORAGE_OPERATIONS_VDI_SNAPSHOT] = "VDI.snapshot",
    [STORAGE_OPERATIONS_VDI_MIRROR] = "VDI.pool_migrate",
    [STORAGE_OPERATIONS_VDI_ENABLE_CBT] = "VDI.enable_cbt",
    [STORAGE_OPERATIONS_VDI_DISABLE_CBT] = "VDI.disable_cbt",
    [STORAGE_OPERATIONS_VDI_DATA_DESTROY] = "VDI.data_destroy",
    [STORAGE_OPERATIONS_VDI_LIST_CHANGED_BLOCKS] = "VDI.list_changed_blocks",
    [STORAGE_OPERATIONS_VDI_SET_ON_BOOT] = "VDI.set_on_boot",
    [STORAGE_OPERATIONS_PBD_CREATE] = "PBD.create",
    [STORAGE_OPERATIONS_PBD_DESTROY] = "PBD.destroy",
};

static const char *const capabilities[STORAGE_OPERATIONS_COUNT] = {
    [STORAGE_OPERATIONS_VDI_CREATE] = "VDI_CREATE",
    [STORAGE_OPERATIONS_VDI_INTRODUCE] = "VDI_INTRODUCE",
    [STORAGE_OPERATIONS_VDI_DESTROY] = "VDI_DELETE",
    [STORAGE_OPERATIONS_VDI_RESIZE] = "VDI_RESIZE",
    [STORAGE_OPERATIONS_VDI_CLONE] = "VDI_CLONE",
    [STORAGE_OPERATIONS_VDI_SNAPSHOT] = "VDI_SNAPSHOT",
    [STORAGE_OPERATIONS_VDI_MIRROR] = "VDI_MIRROR",
    [STORAGE_OPERATIONS_VDI_ENABLE_CBT] = "VDI_CONFIG_CBT",
    [STORAGE_OPERATIONS_VDI_DISABLE_CBT] = "VDI_CONFIG_CBT",
    [STORAGE_OPERATIONS_VDI_DATA_DESTROY] = "VDI_CONFIG_CBT",
    [STORAGE_OPERATIONS_VDI_LIST_CHANGED_BLOCKS] = "VDI_CONFIG_CBT",
    [STORAGE_OPERATIONS_VDI_SET_ON_BOOT] = "VDI_RESET_ON_BOOT",
    [STORAGE_OPERATIONS_VDI_RESIZE_ONLINE] = "VDI_RESIZE_ONLINE",
};

/* Work on single disks, and plugging, goes on side by side. */
static const uint64_t side_by_side =
    OP(VDI_CREATE) | OP(VDI_INTRODUCE) | OP(VDI_DESTROY) | OP(VDI_RESIZE) | OP(VDI_CLONE) | OP(VDI_SNAPSHOT) |
    OP(VDI_MIRROR) | OP(VDI_ENABLE_CBT) | OP(VDI_DISABLE_CBT) | OP(VDI_DATA_DESTROY) |
    OP(VDI_LIST_CHANGED_BLOCKS) | OP(VDI_SET_ON_BOOT) | OP(VDI_COPY) | OP(VDI_FORGET) |
    OP(VDI_RESIZE_ONLINE) | OP(VDI_UPDATE) | OP(VDI_REVERT) | OP(PLUG);
/* Needs storage that a host has attached. */
static const uint64_t needs_attached = (side_by_side & ~(OP(PLUG) | OP(VDI_FORGET))) | OP(SCAN) | OP(UPDATE);

static bool has_managed_vdi(struct db *db, const struct sr *sr)
{
    FOREACH_REFERRER (db, vdi, vdi, VDI, SR, sr->row.ref)
        if (vdi->managed && vdi->type != VDI_TYPE_RRD)
            return true;
    return false;
}

static int check_removal(struct db *db, const struct sr *sr, int operation, struct err *e)
{
    const char *indestructible = map_get(sr->other_config, "indestructible");

    if (sr_is_attached(db, sr))
        return e ? err_sr_has_pbd(e, REF_TEXT(sr->row.ref)) : -1;
    if (sr->is_tools_sr)
        return e ? err_sr_operation_not_supported(e, REF_TEXT(sr->row.ref)) : -1;
    if (operation != STORAGE_OPERATIONS_DESTROY)
        return 0;
    if (indestructible && strcmp(indestructible, "true") == 0)
        return e ? err_sr_indestructible(e, REF_TEXT(sr->row.ref)) : -1;
    if (!db_first_referrer(db, CLASS_PBD, PBD_F_SR, sr->row.ref))
        return e ? err_sr_has_no_pbds(e, REF_TEXT(sr->row.ref)) : -1;
    if (has_managed_vdi(db, sr))
        return e ? err_sr_not_empty(e) : -1;
    return 0;
}

static int check(struct db *db, const struct row *row, int operation, struct err *e)
{
    const struct sr *sr = (const struct sr *)row;
    uint64_t bit = OP_BIT(operation);

    if (map_count(sr->current_operations) > 0 &&
        !((bit & side_by_side) && op_current_only(sr->current_operations, side_by_side)))
        return op_refuse_busy(row, sr->current_operations, e);
    if (capabilities[operation] && !sr_can(sr, capabilities[operation]))
        return e ? err_sr_operation_not_supported(e, REF_TEXT(row->ref)) : -1;
    if ((bit & needs_attached) && !sr_is_attached(db, sr))
        return e ? err_sr_has_no_pbds(e, REF_TEXT(row->ref)) : -1;
    return bit & (OP(DESTROY) | OP(FORGET)) ? check_removal(db, sr, operation, e) : 0;
}

const struct op_rules sr_op_rules = {
    .check = check, .messages = messages, .n_messages = STORAGE_OPERATIONS_COUNT};

/* A PBD has no operations of its own, but what its SR and the disks there allow depends on it. */
static int check_pbd(struct db *db, const struct row *row, int operation, struct err *e)
{
    return 0;
}

static void pbd_dependents(struct db *db, const struct row *row,
                           void (*add)(enum model_class_id cls, struct ref ref, void *arg), void *arg)
{
    const struct pbd *pbd = (const struct pbd *)row;

    add(CLASS_SR, pbd->SR, arg);
    FOREACH_REFERRER (db, vdi, vdi, VDI, SR, pbd->SR)
        add(CLASS_VDI, vdi->row.ref, arg);
}

const struct op_rules pbd_op_rules = {.check = check_pbd, .dependents = pbd_dependents};
