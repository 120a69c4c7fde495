/* Does this host fit another pool? The checks in the order that clients know. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/pool/join.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

/* Both sides: rows here, records there. */
struct fit {
    struct db *db;
    const struct pool *pool;
    const struct host *host;
    const struct wire *their_pool, *their_host;            /* of the coordinator */
    const struct wire *their_certificates, *their_drivers; /* records by reference */
};

static int not_allowed(struct err *e, const char *why)
{
    return err_operation_not_allowed(e, why);
}

static const char *their_text(const struct wire *record, const char *field)
{
    const char *text = wire_member_string(record, field);

    return text ? text : "";
}

static bool their_flag(const struct wire *record, const char *field)
{
    const struct wire *w = wire_member(record, field);

    return w && w->kind == WIRE_BOOL && w->i;
}

static const char *their_entry(const struct wire *record, const char *map, const char *key)
{
    const struct wire *m = wire_member(record, map);
    const char *text = m ? wire_member_string(m, key) : NULL;

    return text ? text : "";
}

static const char *our_entry(const struct map *m, const char *key)
{
    const char *text = map_get(m, key);

    return text ? text : "";
}

/* ---- what is here ---- */

static int check_own_pool(const struct fit *f, struct err *e)
{
    if (f->pool->ha_enabled || their_flag(f->their_pool, "ha_enabled"))
        return err_ha_is_enabled(e);
    if (strcmp(f->pool->uuid, their_text(f->their_pool, "uuid")) == 0)
        return not_allowed(e, "A host cannot join the pool that it belongs to");
    if (db_count(f->db, CLASS_HOST) > 1)
        return err_joining_host_cannot_be_master_of_other_hosts(e);
    return 0;
}

static int check_vms(const struct fit *f, struct err *e)
{
    DB_FOREACH_VM (f->db, vm)
        if (!vm->is_control_domain &&
            (vm->power_state == VM_POWER_STATE_RUNNING || vm->power_state == VM_POWER_STATE_PAUSED))
            return err_joining_host_cannot_have_running_vms(e);
    DB_FOREACH_VM (f->db, vm)
        if (map_count(vm->current_operations) > 0)
            return err_joining_host_cannot_have_vms_with_current_operations(e);
    return 0;
}

/* ---- are the machines alike ---- */

static int check_vendor(const struct fit *f, struct err *e)
{
    const char *here = our_entry(f->host->cpu_info, "vendor"),
               *there = their_entry(f->their_host, "cpu_info", "vendor");

    return strcmp(here, there) == 0 ? 0 : err_hosts_not_compatible(e);
}

static bool differs(const struct map *here, const struct wire *there, const char *field, const char *key)
{
    return strcmp(our_entry(here, key), their_entry(there, field, key)) != 0;
}

static int check_alike(const struct fit *f, bool force, struct err *e)
{
    static const char *const versions[] = {"product_version", "build_number", "xapi_build"};
    static const char *const cpus[] = {"family", "model", "features_hvm"};

    for (size_t i = 0; !force && i < sizeof versions / sizeof versions[0]; i++)
        if (differs(f->host->software_version, f->their_host, "software_version", versions[i]))
            return err_hosts_not_homogeneous(e, "Software version differs");
    for (size_t i = 0; !force && i < sizeof cpus / sizeof cpus[0]; i++)
        if (differs(f->host->cpu_info, f->their_host, "cpu_info", cpus[i]))
            return err_hosts_not_homogeneous(e, "CPUs differ");
    return 0;
}

/* ---- storage and networks ---- */

static int check_storage(const struct fit *f, struct err *e)
{
    DB_FOREACH_SR (f->db, sr)
        if (sr->shared)
            return err_joining_host_cannot_contain_shared_srs(e);
    return 0;
}

static int check_networks(const struct fit *f, struct err *e)
{
    if (db_count(f->db, CLASS_BOND) > 0)
        return err_pool_joining_host_has_bonds(e);
    if (db_count(f->db, CLASS_TUNNEL) > 0)
        return err_pool_joining_host_has_tunnels(e);
    if (db_count(f->db, CLASS_NETWORK_SRIOV) > 0)
        return err_pool_joining_host_has_network_sriovs(e);
    DB_FOREACH_PIF (f->db, pif)
        if (pif->VLAN >= 0 && !pif->management)
            return err_pool_joining_host_has_non_management_vlans(e);
    return 0;
}

/* ---- users, versions, trust ---- */

static int check_authentication(const struct fit *f, struct err *e)
{
    if (strcmp(text_of(f->host->external_auth_type), their_text(f->their_host, "external_auth_type")) != 0)
        return err_pool_joining_external_auth_mismatch(e);
    return 0;
}

static int check_licence(const struct fit *f, struct err *e)
{
    return strcmp(text_of(f->host->edition), their_text(f->their_host, "edition")) == 0
               ? 0
               : err_license_host_pool_mismatch(e);
}

static int check_backend(const struct fit *f, struct err *e)
{
    return differs(f->host->software_version, f->their_host, "software_version", "network_backend")
               ? not_allowed(e, "The network backend differs from the pool's")
               : 0;
}

static int check_versions(const struct fit *f, struct err *e)
{
    char here[48], there[48];
    const char *schema = our_entry(f->host->software_version, "db_schema"),
               *their_schema = their_entry(f->their_host, "software_version", "db_schema");

    snprintf(here, sizeof here, "%d.%d", (int)f->host->API_version_major, (int)f->host->API_version_minor);
    snprintf(there, sizeof there, "%s.%s", their_text(f->their_host, "API_version_major"),
             their_text(f->their_host, "API_version_minor"));
    if (strcmp(here, there) != 0)
        return err_pool_joining_host_must_have_same_api_version(e, here, there);
    if (strcmp(schema, their_schema) != 0)
        return err_pool_joining_host_must_have_same_db_schema(e, schema, their_schema);
    return 0;
}

static int check_trust(const struct fit *f, struct err *e)
{
    if (f->pool->tls_verification_enabled != their_flag(f->their_pool, "tls_verification_enabled"))
        return err_pool_joining_host_tls_verification_mismatch(e);
    return 0;
}

static const struct certificate *own_authority(struct db *db, const char *name)
{
    DB_FOREACH_CERTIFICATE (db, c)
        if (c->type == CERTIFICATE_TYPE_CA && strcmp(text_of(c->name), name) == 0)
            return c;
    return NULL;
}

/* Authorities of the same name have to be the same. */
static int check_authorities(const struct fit *f, struct err *e)
{
    for (uint32_t i = 0; i < f->their_certificates->n; i++) {
        const struct wire *theirs = &f->their_certificates->members[i].value;
        const struct certificate *ours = strcmp(their_text(theirs, "type"), "ca") == 0
                                             ? own_authority(f->db, their_text(theirs, "name"))
                                             : NULL;
        if (ours && strcmp(text_of(ours->fingerprint_sha256), their_text(theirs, "fingerprint_sha256")) != 0)
            return err_pool_joining_host_ca_certificates_conflict(e);
    }
    return 0;
}

static const struct sm *own_driver(struct db *db, const char *type)
{
    DB_FOREACH_SM (db, sm)
        if (strcmp(text_of(sm->type), type) == 0)
            return sm;
    return NULL;
}

static bool can(const struct sm *sm, const char *feature)
{
    for (uint32_t i = 0; i < map_count(sm->features); i++)
        if (strcmp(sm->features->e[i].k.s, feature) == 0)
            return true;
    return false;
}

/* What the pool's drivers can do, those of its new host have to, too. */
static int check_drivers(const struct fit *f, struct err *e)
{
    for (uint32_t i = 0; i < f->their_drivers->n; i++) {
        const struct wire_member *theirs = &f->their_drivers->members[i];
        const struct sm *ours = own_driver(f->db, their_text(&theirs->value, "type"));
        const struct wire *features = wire_member(&theirs->value, "features");

        for (uint32_t k = 0; ours && features && features->kind == WIRE_STRUCT && k < features->n; k++)
            if (!can(ours, features->members[k].name))
                return err_pool_joining_sm_features_incompatible(e, theirs->name, REF_TEXT(ours->row.ref));
    }
    return 0;
}

/* ---- all of it ---- */

/* The only record, or that of the reference. */
static int co_get_all(struct remote_pool *there, const char *method, const struct wire **ret, struct err *e)
{
    struct wire *all = talloc_zero(there->mem, struct wire);

    if (co_remote_call(there, method, NULL, all, e) < 0)
        return -1;
    *ret = all;
    return all->kind == WIRE_STRUCT ? 0 : err_joining_host_service_failed(e);
}

static int co_get_records(struct remote_pool *there, struct fit *f, struct err *e)
{
    const struct wire *pools, *hosts;

    if (co_get_all(there, "pool.get_all_records", &pools, e) < 0 ||
        co_get_all(there, "host.get_all_records", &hosts, e) < 0 ||
        co_get_all(there, "Certificate.get_all_records", &f->their_certificates, e) < 0 ||
        co_get_all(there, "SM.get_all_records", &f->their_drivers, e) < 0)
        return -1;
    if (pools->n == 1)
        f->their_pool = &pools->members[0].value;
    if (f->their_pool)
        f->their_host = wire_member(hosts, their_text(f->their_pool, "master"));
    return f->their_host ? 0 : err_joining_host_service_failed(e);
}

int co_join_check(struct call *c, struct remote_pool *there, bool force, struct err *e)
{
    struct fit f = {.db = c->db};

    if (co_get_records(there, &f, e) < 0)
        return -1;
    f.pool = db_pool(c->db, c->x->pool);
    f.host = db_host(c->db, c->x->host);
    if (check_own_pool(&f, e) < 0 || check_vms(&f, e) < 0 || check_vendor(&f, e) < 0 ||
        check_alike(&f, force, e) < 0 || check_storage(&f, e) < 0 || check_networks(&f, e) < 0 ||
        check_authentication(&f, e) < 0 || check_licence(&f, e) < 0 || check_backend(&f, e) < 0 ||
        check_versions(&f, e) < 0 || check_trust(&f, e) < 0 || check_authorities(&f, e) < 0 ||
        check_drivers(&f, e) < 0)
        return -1;
    return 0;
}
