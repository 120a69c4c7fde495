/* VDI.introduce: a row for a disk that storage holds already; VDI.update: the row as storage says. */
#include <string.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"

/* Find the disk in its SR. Errors: VDI_LOCATION_MISSING. */
static int co_find(struct call *c, struct ref sr, const char *location, struct sm_vdi *ret, struct err *e)
{
    struct sr_handle h;
    struct sm_vdi *found;
    unsigned n;

    if (sr_open(c->x, c->mem, sr, &h, e) < 0 || co_agent_sr_scan(h.agent, &h.sm, c->mem, &found, &n, e) < 0)
        return -1;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(found[i].location, location) == 0) {
            *ret = found[i];
            return 0;
        }
    return err_vdi_location_missing(e, REF_TEXT(sr), location);
}

static int check_unique(struct call *c, const struct vdi_introduce_args *a, struct err *e)
{
    FOREACH_REFERRER (c->db, vdi, vdi, VDI, SR, a->SR)
        if (vdi->location && strcmp(vdi->location, a->location) == 0)
            return err_location_not_unique(e, REF_TEXT(a->SR), a->location);
    if (a->uuid[0] && db_get_by_uuid(c->db, CLASS_VDI, a->uuid))
        return err_db_uniqueness_constraint_violation(e, "VDI", "uuid", a->uuid);
    return a->uuid[0] && !uuid_is_valid(a->uuid) ? err_uuid_invalid(e, "VDI", a->uuid) : 0;
}

static struct ref record(struct txn *t, const struct vdi_introduce_args *a, const struct sm_vdi *sm)
{
    const struct vdi *vdi = vdi_record(t, a->SR, sm, &(struct vdi_names){a->name_label, a->name_description});

    if (a->uuid[0])
        vdi_set_uuid(t, vdi, a->uuid);
    vdi_set_type(t, vdi, a->type);
    vdi_set_sharable(t, vdi, a->sharable);
    vdi_set_read_only(t, vdi, a->read_only || sm->read_only);
    vdi_set_other_config(t, vdi, a->other_config);
    vdi_set_xenstore_data(t, vdi, a->xenstore_data);
    if (map_count(a->sm_config) > 0)
        vdi_set_sm_config(t, vdi, a->sm_config);
    vdi_set_managed(t, vdi, a->managed);
    vdi_set_is_a_snapshot(t, vdi, a->is_a_snapshot);
    vdi_set_snapshot_time(t, vdi, a->snapshot_time);
    vdi_set_snapshot_of(t, vdi, a->snapshot_of);
    vdi_set_metadata_of_pool(t, vdi, a->metadata_of_pool);
    return vdi->row.ref;
}

int co_vdi_introduce(struct call *c, const struct vdi_introduce_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct sm_vdi sm;

    if (!call_row(c, CLASS_SR, a->SR, e) || check_unique(c, a, e) < 0)
        return -1;
    if (co_op_begin(c, CLASS_SR, a->SR, STORAGE_OPERATIONS_VDI_INTRODUCE, &op, e) < 0 ||
        co_find(c, a->SR, a->location, &sm, e) < 0 || check_unique(c, a, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    ret->r = record(t, a, &sm);
    return db_commit(t, e);
}

int co_vdi_update(struct call *c, const struct vdi_update_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct sm_vdi sm;

    if (co_op_begin(c, CLASS_VDI, a->vdi, VDI_OPERATIONS_UPDATE, &op, e) < 0)
        return -1;
    const struct vdi *vdi = db_vdi(c->db, a->vdi);
    if (co_find(c, vdi->SR, talloc_strdup(c->mem, vdi->location), &sm, e) < 0)
        return -1;
    if (!(vdi = (const struct vdi *)call_row(c, CLASS_VDI, a->vdi, e)))
        return -1;
    struct txn *t = db_begin(c->db);
    vdi_set_virtual_size(t, vdi, sm.virtual_size);
    vdi_set_physical_utilisation(t, vdi, sm.physical_utilisation);
    return db_commit(t, e);
}
