/* Interfaces of hosts, looked for and recorded. */
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/interface_rows.h"
#include "xapid/network/mac.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peer_calls.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

int co_host_ask_machine(struct call *c, struct ref ref, struct host_machine_facts *ret, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, ref, e);

    if (!host)
        return -1;
    if (ref_equal(ref, c->x->host)) {
        host_machine_facts(c->x, c->mem, ret);
        return 0;
    }
    const char *address = talloc_strdup(c->mem, text_of(host->address)),
               *uuid = talloc_strdup(c->mem, host->uuid);
    if (leader_hears(ref) && co_peer_ask_machine(c->x, address, uuid, c->mem, ret, e) == 0)
        return 0;
    if (err_is_set(e))
        log_warning("%s", err_text(c->mem, e));
    err_clear(e);
    return err_host_offline(e, REF_TEXT(ref));
}

/* The host may have left meanwhile. */
static struct txn *begin_for(struct call *c, struct ref host, struct err *e)
{
    return call_row(c, CLASS_HOST, host, e) ? db_begin(c->db) : NULL;
}

int co_pif_scan(struct call *c, const struct pif_scan_args *a, struct err *e)
{
    struct host_machine_facts facts;

    if (co_host_ask_machine(c, a->host, &facts, e) < 0)
        return -1;
    struct txn *t = begin_for(c, a->host, e);
    if (!t)
        return -1;
    pif_rows_scan(t, a->host, &facts);
    return db_commit(t, e);
}

static int check_new(struct call *c, const struct pif_introduce_args *a, const struct net_interface *i,
                     struct err *e)
{
    if (!i)
        return err_pif_device_not_found(e);
    if (*a->MAC && strcasecmp(a->MAC, i->mac) != 0)
        return err_mac_does_not_exist(e, a->MAC);
    return pif_of_interface(c->db, a->host, i) ? err_device_already_exists(e, a->device) : 0;
}

int co_pif_introduce(struct call *c, const struct pif_introduce_args *a, union value *ret, struct err *e)
{
    struct host_machine_facts facts;

    if (*a->MAC && !mac_is_valid(a->MAC))
        return err_mac_invalid(e, a->MAC);
    if (co_host_ask_machine(c, a->host, &facts, e) < 0)
        return -1;
    const struct net_interface *i = net_interface_by_name(facts.interfaces, a->device);
    struct txn *t = check_new(c, a, i, e) < 0 ? NULL : begin_for(c, a->host, e);
    if (!t)
        return -1;
    const struct pif *pif = pif_row_introduce(t, a->host, i);
    pif_set_managed(t, pif, a->managed);
    ret->r = pif->row.ref;
    return db_commit(t, e);
}
