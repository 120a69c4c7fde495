/* Does this host fit another pool? The checks in the order that clients know. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/pool/join.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/vm/vm.h"

/* Both sides: rows here, records there. */
struct fit {
    struct db *db;
    const struct pool *pool;
    const struct host *host;
    const struct wire *their_pool, *their_host; /* of the coordinator */
    /* records by reference */
    const struct wire *their_certificates, *their_drivers, *their_interfaces, *their_networks, *their_updates;
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
        if (!vm->is_control_domain && vm_is_up(vm))
            return err_joining_host_cannot_have_running_vms(e);
    DB_FOREACH_VM (f->db, vm)
        if (map_count(vm->current_operations) > 0)
            return err_joining_host_cannot_have_vms_with_current_operations(e);
    return 0;
}

static int check_guidance(const struct fit *f, struct err *e)
{
    return set_count(f->host->pending_guidances) == 0
               ? 0
               : err_host_pending_mandatory_guidance_not_empty(e, REF_TEXT(f->host->row.ref));
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

static const struct pif *own_management(const struct fit *f)
{
    FOREACH_REFERRER (f->db, pif, pif, PIF, HOST, f->host->row.ref)
        if (pif->management)
            return pif;
    return NULL;
}

/* That of their coordinator; NULL when it has none. */
static const struct wire *their_management(const struct fit *f)
{
    for (uint32_t i = 0; i < f->their_interfaces->n; i++) {
        const struct wire *pif = &f->their_interfaces->members[i].value;
        if (their_flag(pif, "management") &&
            strcmp(their_text(pif, "host"), their_text(f->their_pool, "master")) == 0)
            return pif;
    }
    return NULL;
}

static int check_management_vlan(const struct fit *f, struct err *e)
{
    const struct pif *ours = own_management(f);
    const struct wire *theirs = their_management(f);
    char here[24];

    if (!ours || !theirs)
        return 0;
    snprintf(here, sizeof here, "%lld", (long long)ours->VLAN);
    return strcmp(here, their_text(theirs, "VLAN")) == 0
               ? 0
               : err_pool_joining_host_management_vlan_does_not_match(e, here, their_text(theirs, "VLAN"));
}

static int check_address_type(const struct fit *f, struct err *e)
{
    const struct pif *ours = own_management(f);
    const struct wire *theirs = their_management(f);

    if (!ours || !theirs ||
        model_enum_index(&model_enum_primary_address_type, their_text(theirs, "primary_address_type")) ==
            (int)ours->primary_address_type)
        return 0;
    return not_allowed(e, "The primary address type of the management interface differs from the pool's");
}

static bool we_offer(struct db *db, enum network_purpose purpose)
{
    DB_FOREACH_NETWORK (db, network)
        for (uint32_t i = 0; i < set_count(network->purpose); i++)
            if (network->purpose->v[i].i == purpose)
                return true;
    return false;
}

static bool names(const struct wire *set, const char *text)
{
    for (uint32_t i = 0; set && set->kind == WIRE_ARRAY && i < set->n; i++)
        if (set->items[i].kind == WIRE_STRING && strcmp(set->items[i].s, text) == 0)
            return true;
    return false;
}

static bool they_offer(const struct fit *f, const char *purpose)
{
    for (uint32_t i = 0; i < f->their_networks->n; i++)
        if (names(wire_member(&f->their_networks->members[i].value, "purpose"), purpose))
            return true;
    return false;
}

/* Disks are offered over TLS or in clear text, not both. */
static int check_purposes(const struct fit *f, struct err *e)
{
    if (we_offer(f->db, NETWORK_PURPOSE_NBD) && they_offer(f, "insecure_nbd"))
        return err_network_incompatible_purposes(e, "nbd", "insecure_nbd");
    if (we_offer(f->db, NETWORK_PURPOSE_INSECURE_NBD) && they_offer(f, "nbd"))
        return err_network_incompatible_purposes(e, "insecure_nbd", "nbd");
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

/* Is the update with this uuid on their coordinator? */
static bool they_have(const struct fit *f, const char *uuid)
{
    const struct wire *refs = wire_member(f->their_host, "updates");

    for (uint32_t i = 0; i < f->their_updates->n; i++) {
        const struct wire_member *update = &f->their_updates->members[i];
        if (strcmp(their_text(&update->value, "uuid"), uuid) == 0)
            return names(refs, update->name);
    }
    return false;
}

static int check_updates(const struct fit *f, struct err *e)
{
    const struct wire *theirs = wire_member(f->their_host, "updates");
    uint32_t n = theirs && theirs->kind == WIRE_ARRAY ? theirs->n : 0;
    bool same = set_count(f->host->updates) == n;

    for (uint32_t i = 0; same && i < n; i++) {
        const struct pool_update *update = db_pool_update(f->db, f->host->updates->v[i].r);
        same = update && they_have(f, update->uuid);
    }
    return same ? 0 : err_hosts_not_homogeneous(e, "Updates differ");
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
        co_get_all(there, "SM.get_all_records", &f->their_drivers, e) < 0 ||
        co_get_all(there, "PIF.get_all_records", &f->their_interfaces, e) < 0 ||
        co_get_all(there, "network.get_all_records", &f->their_networks, e) < 0 ||
        co_get_all(there, "pool_update.get_all_records", &f->their_updates, e) < 0)
        return -1;
    if (pools->n == 1)
        f->their_pool = &pools->members[0].value;
    if (f->their_pool)
        f->their_host = wire_member(hosts, their_text(f->their_pool, "master"));
    return f->their_host ? 0 : err_joining_host_service_failed(e);
}

static int check_all(const struct fit *f, bool force, struct err *e)
{
    static int (*const checks[])(const struct fit *, struct err *) = {
        check_storage, check_networks,    check_management_vlan, check_authentication, check_licence,
        check_backend, check_versions,    check_updates,         check_address_type,   check_purposes,
        check_trust,   check_authorities, check_drivers,
    };
    int r = check_own_pool(f, e);

    if (r < 0 || check_vms(f, e) < 0 || check_guidance(f, e) < 0 || check_vendor(f, e) < 0 ||
        check_alike(f, force, e) < 0)
        return -1;
    for (size_t i = 0; r == 0 && i < sizeof checks / sizeof checks[0]; i++)
        r = checks[i](f, e);
    return r;
}

int co_join_check(struct call *c, struct remote_pool *there, bool force, struct err *e)
{
    struct fit f = {.db = c->db};

    if (co_get_records(there, &f, e) < 0)
        return -1;
    f.pool = db_pool(c->db, c->x->pool);
    f.host = db_host(c->db, c->x->host);
    return check_all(&f, force, e);
}
