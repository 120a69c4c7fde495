/* Networks: a bridge on each host that has it. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/network/network.h"
#include "xapid/reftext.h"

void network_describe(void *ctx, const struct network *network, struct net_network *ret)
{
    const char *subnet = map_get(network->other_config, NETWORK_SUBNET_KEY);

    *ret = (struct net_network){.bridge = talloc_strdup(ctx, text_of(network->bridge)),
                                .mtu = network->MTU > 0 ? (unsigned)network->MTU : 1500,
                                .nat = subnet != NULL,
                                .subnet = subnet ? talloc_strdup(ctx, subnet) : NULL};
    memcpy(ret->uuid, network->uuid, sizeof ret->uuid);
}

static bool bridge_is_taken(struct db *db, const char *bridge)
{
    DB_FOREACH_NETWORK (db, network)
        if (strcmp(text_of(network->bridge), bridge) == 0)
            return true;
    return false;
}

/* Bridges are the machine's, which several daemons of a lab share, so each has names of its own: the
 * reference's first digits tell them apart. */
void network_choose_bridge(struct db *db, struct ref ref, char bridge[16])
{
    for (uint64_t n = ref.hi >> 40;; n++) {
        snprintf(bridge, 16, "xapi%06llx", (unsigned long long)(n & 0xffffff));
        if (!bridge_is_taken(db, bridge))
            return;
    }
}

int co_network_create(struct call *c, const struct network_create_args *a, union value *ret, struct err *e)
{
    char bridge[16];

    if (a->bridge[0] && (strlen(a->bridge) > 15 || strpbrk(a->bridge, "/ \t\n")))
        return err_invalid_value(e, "bridge", a->bridge);
    if (a->bridge[0] && bridge_is_taken(c->db, a->bridge))
        return err_bridge_name_exists(e, a->bridge);
    struct txn *t = db_begin(c->db);
    const struct network *network = network_create(t);
    call_set_members(c, t, &network->row, a);
    if (!a->bridge[0]) {
        network_choose_bridge(c->db, network->row.ref, bridge);
        network_set_bridge(t, network, bridge);
    }
    ret->r = network->row.ref;
    return db_commit(t, e);
}

static int refuse_referrers(struct err *e, const char *code, const struct set *refs)
{
    err_set(e, code, 0);
    for (uint32_t i = 0; i < set_count(refs); i++)
        err_add_param(e, REF_TEXT(refs->v[i].r));
    return -1;
}

int co_network_destroy(struct call *c, const struct network_destroy_args *a, struct err *e)
{
    const struct network *network = (const struct network *)call_row(c, CLASS_NETWORK, a->self, e);

    if (!network)
        return -1;
    const struct set *vifs = db_referrers(c->db, c->mem, CLASS_VIF, VIF_F_NETWORK, a->self);
    const struct set *pifs = db_referrers(c->db, c->mem, CLASS_PIF, PIF_F_NETWORK, a->self);
    if (set_count(vifs) > 0)
        return refuse_referrers(e, "NETWORK_CONTAINS_VIF", vifs);
    if (set_count(pifs) > 0)
        return refuse_referrers(e, "NETWORK_CONTAINS_PIF", pifs);
    const char *bridge = talloc_strdup(c->mem, text_of(network->bridge));
    /* A bridge of another name may be the administrator's own. */
    if (strncmp(bridge, "xapi", 4) == 0 && co_net_network_down(bridge, e) < 0)
        return -1;
    if (!(network = (const struct network *)call_row(c, CLASS_NETWORK, a->self, e)))
        return -1;
    struct txn *t = db_begin(c->db);
    db_delete(t, &network->row);
    return db_commit(t, e);
}

int co_network_set_default_locking_mode(struct call *c, const struct network_set_default_locking_mode_args *a,
                                        struct err *e)
{
    FOREACH_REFERRER (c->db, vif, vif, VIF, NETWORK, a->network)
        if (vif->currently_attached && vif->locking_mode == VIF_LOCKING_MODE_NETWORK_DEFAULT)
            return err_vif_in_use(e, REF_TEXT(a->network), REF_TEXT(vif->row.ref));
    return call_set_field(c, CLASS_NETWORK, a->network, NETWORK_F_DEFAULT_LOCKING_MODE,
                          (union value){.i = a->value}, e);
}
