#include "xapid/storage/sr.h"
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/log.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"

bool sr_can(const struct sr *sr, const char *capability)
{
    const struct sm_driver *driver = sm_driver_by_type(sr->type ? sr->type : "");

    if (!driver)
        return false;
    for (const char *const *c = driver->capabilities; *c; c++)
        if (strcmp(*c, capability) == 0)
            return true;
    return false;
}

bool sr_is_attached(struct db *db, const struct sr *sr)
{
    FOREACH_REFERRER (db, pbd, pbd, PBD, SR, sr->row.ref)
        if (pbd->currently_attached)
            return true;
    return false;
}

const struct map *copy_text_map(void *ctx, const struct map *m)
{
    return value_copy(ctx, &model_type_string_map, (union value){.map = m}).map;
}

const struct pbd *pbd_of_host(struct db *db, struct ref sr, struct ref host)
{
    FOREACH_REFERRER (db, pbd, pbd, PBD, SR, sr)
        if (ref_equal(pbd->host, host))
            return pbd;
    return NULL;
}

bool sr_is_attached_at(struct db *db, struct ref sr, struct ref host)
{
    const struct pbd *pbd = pbd_of_host(db, sr, host);
    return pbd && pbd->currently_attached;
}

/* The better a host can serve the SR, the higher. */
static int fitness(struct xapid *x, const struct pbd *pbd)
{
    return (host_is_reachable(x, pbd->host) ? 4 : 0) + (pbd->currently_attached ? 2 : 0) +
           (ref_equal(pbd->host, x->host) ? 1 : 0);
}

static const struct pbd *choose_pbd(struct xapid *x, struct ref sr)
{
    const struct pbd *best = NULL;

    FOREACH_REFERRER (x->db, pbd, pbd, PBD, SR, sr)
        if (!best || fitness(x, pbd) > fitness(x, best))
            best = pbd;
    return best;
}

int sr_open(struct xapid *x, void *ctx, struct ref ref, struct sr_handle *ret, struct err *e)
{
    const struct pbd *pbd = choose_pbd(x, ref);

    if (pbd && !host_is_reachable(x, pbd->host) && db_host(x->db, pbd->host))
        return err_host_offline(e, REF_TEXT(pbd->host));
    return sr_open_at(x, ctx, ref, pbd ? pbd->host : REF_NULL, ret, e);
}

int sr_open_at(struct xapid *x, void *ctx, struct ref ref, struct ref host, struct sr_handle *ret,
               struct err *e)
{
    const struct sr *sr = db_sr(x->db, ref);
    const struct pbd *pbd = sr ? pbd_of_host(x->db, ref, host) : NULL;

    if (!sr)
        return err_handle_invalid(e, "SR", REF_TEXT(ref));
    if (!pbd)
        return err_sr_has_no_pbds(e, REF_TEXT(ref));
    *ret = (struct sr_handle){.ref = ref,
                              .host = host,
                              .agent = host_agent(x, host, e),
                              .driver = sm_driver_by_type(sr->type ? sr->type : "")};
    if (!ret->agent)
        return -1;
    if (!ret->driver)
        return err_sr_unknown_driver(e, sr->type);
    memcpy(ret->sm.uuid, sr->uuid, sizeof ret->sm.uuid);
    ret->sm.type = talloc_strdup(ctx, sr->type);
    ret->sm.device_config = copy_text_map(ctx, pbd->device_config);
    ret->sm.sm_config = copy_text_map(ctx, sr->sm_config);
    return 0;
}

/* A host that has both attached, this one rather than another; null: none. */
static struct ref host_of_both(struct xapid *x, struct ref one, struct ref other)
{
    struct ref found = REF_NULL;

    FOREACH_REFERRER (x->db, pbd, pbd, PBD, SR, one)
        if (pbd->currently_attached && host_is_reachable(x, pbd->host) &&
            sr_is_attached_at(x->db, other, pbd->host) &&
            (ref_is_null(found) || ref_equal(pbd->host, x->host)))
            found = pbd->host;
    return found;
}

int sr_open_both(struct xapid *x, void *ctx, struct ref one, struct ref other, struct sr_handle *ret_one,
                 struct sr_handle *ret_other, struct err *e)
{
    struct ref host = host_of_both(x, one, other);

    if (!ref_is_null(host))
        return sr_open_at(x, ctx, one, host, ret_one, e) < 0 ? -1
                                                             : sr_open_at(x, ctx, other, host, ret_other, e);
    return sr_open(x, ctx, one, ret_one, e) < 0 ? -1 : sr_open(x, ctx, other, ret_other, e);
}

int co_sr_refresh(struct xapid *x, const struct sr_handle *h, struct err *e)
{
    struct sm_sr_stat stat;

    if (co_agent_sr_stat(h->agent, &h->sm, &stat, e) < 0)
        return -1;
    const struct sr *sr = db_sr(x->db, h->ref);
    if (!sr)
        return 0;
    struct txn *t = db_begin(x->db);
    sr_set_physical_size(t, sr, stat.physical_size);
    sr_set_physical_utilisation(t, sr, stat.physical_utilisation);
    sr_set_virtual_allocation(t, sr, stat.virtual_allocation);
    return db_commit(t, e);
}

/* The row of a disk that a scan found: by its uuid, else by its location (disks introduced under a uuid of
 * their own). */
static const struct vdi *find_row(struct db *db, struct ref sr, const struct sm_vdi *found)
{
    const struct vdi *vdi = (const struct vdi *)db_get_by_uuid(db, CLASS_VDI, found->uuid);

    if (vdi && ref_equal(vdi->SR, sr))
        return vdi;
    FOREACH_REFERRER (db, vdi, other, VDI, SR, sr)
        if (other->location && strcmp(other->location, found->location) == 0)
            return other;
    return NULL;
}

static int compare_locations(const void *a, const void *b)
{
    return strcmp(((const struct sm_vdi *)a)->location, ((const struct sm_vdi *)b)->location);
}

/* Forget the rows of disks whose storage is gone. found is sorted by location. */
static void drop_missing(struct txn *t, struct ref sr, const struct sm_vdi *found, unsigned n)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vdis = db_referrers(txn_db(t), mem, CLASS_VDI, VDI_F_SR, sr);

    for (uint32_t i = 0; i < set_count(vdis); i++) {
        const struct vdi *vdi = db_vdi(txn_db(t), vdis->v[i].r);
        struct sm_vdi key = {.location = vdi->location ? vdi->location : ""};
        if (n == 0 || !bsearch(&key, found, n, sizeof *found, compare_locations))
            vdi_delete_row(t, vdi);
    }
}

static void record_found(struct txn *t, struct ref sr, const struct sm_vdi *found)
{
    const struct vdi *vdi = find_row(txn_db(t), sr, found);

    if (!vdi) {
        vdi_record(t, sr, found, &(struct vdi_names){found->name_label, found->name_description});
        return;
    }
    vdi_set_virtual_size(t, vdi, found->virtual_size);
    vdi_set_physical_utilisation(t, vdi, found->physical_utilisation);
    vdi_set_missing(t, vdi, false);
}

int co_sr_rescan(struct xapid *x, const struct sr_handle *h, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sm_vdi *found = NULL;
    unsigned n = 0;

    if (co_agent_sr_scan(h->agent, &h->sm, mem, &found, &n, e) < 0)
        return -1;
    if (!db_sr(x->db, h->ref))
        return 0;
    if (n > 0) /* an SR without disks has no array either */
        qsort(found, n, sizeof *found, compare_locations);
    struct txn *t = db_begin(x->db);
    drop_missing(t, h->ref, found, n);
    for (unsigned i = 0; i < n; i++)
        record_found(t, h->ref, &found[i]);
    if (db_commit(t, e) < 0)
        return -1;
    return co_sr_refresh(x, h, e);
}

int co_pbd_attach(struct xapid *x, struct ref ref, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct pbd *pbd = db_pbd(x->db, ref);
    struct sr_handle h;

    if (!pbd)
        return err_handle_invalid(e, "PBD", REF_TEXT(ref));
    if (sr_open_at(x, mem, pbd->SR, pbd->host, &h, e) < 0 || co_agent_sr_attach(h.agent, &h.sm, e) < 0)
        return -1;
    if (!(pbd = db_pbd(x->db, ref)))
        return err_handle_invalid(e, "PBD", REF_TEXT(ref));
    struct txn *t = db_begin(x->db);
    pbd_set_currently_attached(t, pbd, true);
    return db_commit(t, e);
}
