/* The storage drivers as SM rows, and the storage that the host of a new pool starts with. */
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "sm/sm.h"
#include "xapid/host/bootstrap.h"
#include "xapid/reftext.h"
#include "xapid/storage/pbd.h"
#include "xapid/version.h"

/* ---- drivers ---- */

static const struct sm *find_sm(struct db *db, const char *type)
{
    DB_FOREACH_SM (db, sm)
        if (strcmp(text_of(sm->type), type) == 0)
            return sm;
    return NULL;
}

static struct map *features(void *mem, const struct sm_driver *d)
{
    struct map *m;
    unsigned n = 0;

    while (d->capabilities[n])
        n++;
    m = talloc_zero_size(mem, sizeof *m + n * sizeof m->e[0]);
    for (; m->n < n; m->n++)
        m->e[m->n] = (struct map_entry){.k.s = d->capabilities[m->n], .v.i = 1};
    map_sort(model_classes[CLASS_SM].fields[SM_F_FEATURES].type, m);
    return m;
}

static void refresh_sm(struct txn *t, const struct sm_driver *d)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct sm *sm = find_sm(txn_db(t), d->type);
    struct map *configuration = NULL;
    struct set *capabilities = NULL;

    for (const char *const *c = d->device_config; c && c[0]; c += 2)
        configuration = map_with(mem, configuration, c[0], c[1]);
    for (const char *const *c = d->capabilities; *c; c++)
        capabilities = set_with_string(mem, capabilities, *c);
    if (!sm)
        sm = sm_create(t);
    sm_set_type(t, sm, d->type);
    sm_set_name_label(t, sm, d->name);
    sm_set_name_description(t, sm, d->description);
    sm_set_vendor(t, sm, "xapid");
    sm_set_version(t, sm, xapid_version);
    sm_set_required_api_version(t, sm, "1.0");
    sm_set_driver_filename(t, sm, "xapid");
    sm_set_configuration(t, sm, configuration);
    sm_set_capabilities(t, sm, capabilities);
    sm_set_features(t, sm, features(mem, d));
}

static void drop_unknown_sms(struct txn *t)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct set *unknown = NULL;

    DB_FOREACH_SM (txn_db(t), sm)
        if (!sm_driver_by_type(text_of(sm->type)))
            unknown = set_with_ref(mem, unknown, sm->row.ref);
    for (uint32_t i = 0; i < set_count(unknown); i++)
        db_delete(t, db_get(txn_db(t), CLASS_SM, unknown->v[i].r));
}

/* ---- SRs ---- */

static const struct sr *make_sr(struct txn *t, struct xapid *x, const char *type, const char *name,
                                const char *description, const char *key, const char *location)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct sr *sr = sr_create(t);
    const char *folder = talloc_asprintf(mem, strcmp(type, "iso") == 0 ? "%s" : "%s/%s", location, sr->uuid);

    mkdir(folder, 0700); /* attaching says so when there is none */
    sr_set_type(t, sr, type);
    sr_set_name_label(t, sr, name);
    sr_set_name_description(t, sr, description);
    sr_set_content_type(t, sr, sm_driver_by_type(type)->content_type);
    sr_set_other_config(t, sr, map_with(mem, NULL, "i18n-key", key));
    pbd_record(t, sr->row.ref, x->host, map_with(mem, NULL, "location", folder));
    return sr;
}

static void make_first_srs(struct txn *t, struct xapid *x, const char *state_dir)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct host *host = db_host(x->db, x->host);
    const struct pool *pool = db_pool(x->db, x->pool);
    struct ref local = make_sr(t, x, "file", "Local storage", "Disks of virtual machines on this host",
                               "local-storage", talloc_asprintf(mem, "%s/sr", state_dir))
                           ->row.ref;

    make_sr(t, x, "iso", "xapid ISOs", "Put CD images (*.iso) into the folder of this SR and scan it",
            "local-isos", talloc_asprintf(mem, "%s/iso", state_dir));
    pool_set_default_sr(t, pool, local);
    pool_set_suspend_image_sr(t, pool, local);
    pool_set_crash_dump_sr(t, pool, local);
    host_set_suspend_image_sr(t, host, local);
    host_set_crash_dump_sr(t, host, local);
}

void storage_rows(struct txn *t, struct xapid *x, const char *state_dir)
{
    for (const struct sm_driver *const *d = sm_drivers; *d; d++)
        refresh_sm(t, *d);
    drop_unknown_sms(t);
    if (db_count(x->db, CLASS_SR) == 0 && db_count(x->db, CLASS_PBD) == 0)
        make_first_srs(t, x, state_dir);
}

void storage_detached(struct txn *t, struct ref host)
{
    FOREACH_REFERRER (txn_db(t), pbd, pbd, PBD, HOST, host)
        pbd_set_currently_attached(t, pbd, false);
}
