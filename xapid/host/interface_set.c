/* What is said about interfaces without doing anything to them: records come and go, and are protected. */
#include <string.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/network/mac.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

static const struct pif *pif_of(struct call *c, struct ref ref, struct err *e)
{
    return (const struct pif *)call_row(c, CLASS_PIF, ref, e);
}

static void forget(struct txn *t, const struct pif *pif)
{
    const struct row *metrics = db_get(txn_db(t), CLASS_PIF_METRICS, pif->metrics);

    if (metrics)
        db_delete(t, metrics);
    db_delete(t, &pif->row);
}

/* What stands on the interface, or needs it. */
static int check_unused(struct call *c, const struct pif *pif, struct err *e)
{
    const char *ref = talloc_strdup(c->mem, REF_TEXT(pif->row.ref));

    if (!pif->physical)
        return err_pif_is_not_physical(e, ref);
    if (pif->management)
        return err_pif_is_management_interface(e, ref);
    if (pif->disallow_unplug)
        return err_pif_does_not_allow_unplug(e, ref);
    if (!ref_is_null(pif->bond_slave_of))
        return err_pif_already_bonded(e, ref);
    if (db_first_referrer(c->db, CLASS_VLAN, VLAN_F_TAGGED_PIF, pif->row.ref))
        return err_pif_vlan_still_exists(e, ref);
    if (db_first_referrer(c->db, CLASS_TUNNEL, TUNNEL_F_TRANSPORT_PIF, pif->row.ref))
        return err_pif_tunnel_still_exists(e, ref);
    return 0;
}

int co_pif_forget(struct call *c, const struct pif_forget_args *a, struct err *e)
{
    const struct pif *pif = pif_of(c, a->self, e);

    if (!pif || check_unused(c, pif, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    forget(t, pif);
    return db_commit(t, e);
}

/* By which interface a host is managed is never forgotten. */
int co_pif_db_forget(struct call *c, const struct pif_db_forget_args *a, struct err *e)
{
    const struct pif *pif = pif_of(c, a->self, e);

    if (!pif)
        return -1;
    if (pif->management)
        return err_pif_is_management_interface(e, REF_TEXT(a->self));
    struct txn *t = db_begin(c->db);
    forget(t, pif);
    return db_commit(t, e);
}

int co_pif_set_disallow_unplug(struct call *c, const struct pif_set_disallow_unplug_args *a, struct err *e)
{
    return call_set_field(c, CLASS_PIF, a->self, PIF_F_DISALLOW_UNPLUG, (union value){.b = a->value}, e);
}

/* Recorded; interfaces are configured by the host's own system. */
int co_pif_set_property(struct call *c, const struct pif_set_property_args *a, struct err *e)
{
    const struct pif *pif = pif_of(c, a->self, e);

    if (!pif)
        return -1;
    if (!pif->physical)
        return err_pif_is_not_physical(e, REF_TEXT(a->self));
    if (strcmp(a->name, "gro") != 0)
        return err_invalid_value(e, "name", a->name);
    if (strcmp(a->value, "on") != 0 && strcmp(a->value, "off") != 0)
        return err_invalid_value(e, "value", a->value);
    return call_change_map(c, CLASS_PIF, a->self, PIF_F_PROPERTIES, a->name, a->value, e);
}

/* ---- by hand ---- */

static int check_new(struct call *c, const struct pif_db_introduce_args *a, struct err *e)
{
    if (!call_row(c, CLASS_NETWORK, a->network, e) || !call_row(c, CLASS_HOST, a->host, e))
        return -1;
    if (!ref_is_null(a->bond_slave_of) && !call_row(c, CLASS_BOND, a->bond_slave_of, e))
        return -1;
    if (!ref_is_null(a->VLAN_master_of) && !call_row(c, CLASS_VLAN, a->VLAN_master_of, e))
        return -1;
    if (a->management) /* host.management_reconfigure says which that is */
        return err_invalid_value(e, "management", "true");
    if (!*a->device)
        return err_invalid_value(e, "device", a->device);
    if (!mac_is_valid(a->MAC))
        return err_mac_invalid(e, a->MAC);
    if (a->VLAN < -1 || a->VLAN > 4095)
        return err_vlan_tag_invalid(e, talloc_asprintf(c->mem, "%lld", (long long)a->VLAN));
    FOREACH_REFERRER (c->db, pif, other, PIF, HOST, a->host)
        if (strcmp(text_of(other->device), a->device) == 0 && other->VLAN == a->VLAN)
            return err_duplicate_pif_device_name(e, a->device);
    return 0;
}

static void describe(struct txn *t, const struct pif *pif, const struct pif_db_introduce_args *a)
{
    pif_set_device(t, pif, a->device);
    pif_set_network(t, pif, a->network);
    pif_set_host(t, pif, a->host);
    pif_set_mac(t, pif, a->MAC);
    pif_set_mtu(t, pif, a->MTU);
    pif_set_vlan(t, pif, a->VLAN);
    pif_set_physical(t, pif, a->physical);
    pif_set_currently_attached(t, pif, false);
    pif_set_ip_configuration_mode(t, pif, a->ip_configuration_mode);
    pif_set_ip(t, pif, a->IP);
    pif_set_netmask(t, pif, a->netmask);
    pif_set_gateway(t, pif, a->gateway);
    pif_set_dns(t, pif, a->DNS);
    pif_set_bond_slave_of(t, pif, a->bond_slave_of);
    pif_set_vlan_master_of(t, pif, a->VLAN_master_of);
    pif_set_other_config(t, pif, a->other_config);
    pif_set_disallow_unplug(t, pif, a->disallow_unplug);
    pif_set_ipv6_configuration_mode(t, pif, a->ipv6_configuration_mode);
    pif_set_ipv6(t, pif, a->IPv6);
    pif_set_ipv6_gateway(t, pif, a->ipv6_gateway);
    pif_set_primary_address_type(t, pif, a->primary_address_type);
    pif_set_managed(t, pif, a->managed);
    pif_set_properties(t, pif, a->properties);
}

int co_pif_db_introduce(struct call *c, const struct pif_db_introduce_args *a, union value *ret,
                        struct err *e)
{
    if (check_new(c, a, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct pif *pif = pif_create(t);
    const struct pif_metrics *metrics = pif_metrics_create(t);
    describe(t, pif, a);
    pif_set_metrics(t, pif, metrics->row.ref);
    pif_metrics_set_device_name(t, metrics, a->device);
    ret->r = pif->row.ref;
    return db_commit(t, e);
}
