/* The setters of a host that are more than a field, or that XenAPI counts as such. */
#include <ctype.h>
#include <string.h>
#include "lib/clock.h"
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/plain_port.h"
#include "xapid/pool/leader.h"

enum { FOLLOW_MS = 10 * 1000 };

static int set(struct call *c, struct ref host, unsigned field, union value v, struct err *e)
{
    return call_set_field(c, CLASS_HOST, host, field, v, e);
}

/* The name that the pool knows the host by. The machine's own name is the administrator's: several hosts may
 * share it. */
int co_host_set_hostname_live(struct call *c, const struct host_set_hostname_live_args *a, struct err *e)
{
    size_t n = strlen(a->hostname);

    if (n == 0)
        return err_host_name_invalid(e, "a host name cannot be empty");
    if (n > 64)
        return err_host_name_invalid(e, "a host name has at most 64 characters");
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)a->hostname[i]) && !strchr("-.", a->hostname[i]))
            return err_host_name_invalid(e, "a host name consists of letters, digits, hyphens and dots");
    return set(c, a->host, HOST_F_HOSTNAME, (union value){.s = a->hostname}, e);
}

int co_host_set_iscsi_iqn(struct call *c, const struct host_set_iscsi_iqn_args *a, struct err *e)
{
    return set(c, a->host, HOST_F_ISCSI_IQN, (union value){.s = a->value}, e);
}

int co_host_set_numa_affinity_policy(struct call *c, const struct host_set_numa_affinity_policy_args *a,
                                     struct err *e)
{
    return set(c, a->self, HOST_F_NUMA_AFFINITY_POLICY, (union value){.i = a->value}, e);
}

int co_host_enable_display(struct call *c, const struct host_enable_display_args *a, union value *ret,
                           struct err *e)
{
    ret->i = HOST_DISPLAY_ENABLED;
    return set(c, a->host, HOST_F_DISPLAY, *ret, e);
}

int co_host_disable_display(struct call *c, const struct host_disable_display_args *a, union value *ret,
                            struct err *e)
{
    ret->i = HOST_DISPLAY_DISABLED;
    return set(c, a->host, HOST_F_DISPLAY, *ret, e);
}

/* There is one edition. */
int co_host_apply_edition(struct call *c, const struct host_apply_edition_args *a, struct err *e)
{
    if (a->edition[0] && strcmp(a->edition, "free") != 0)
        return err_invalid_edition(e, a->edition);
    return set(c, a->host, HOST_F_EDITION, (union value){.s = "free"}, e);
}

/* The record decides; each host follows its own. One that is not connected does so when it is. */
static int co_follow_records(struct call *c, const struct set *hosts, struct err *e)
{
    uint64_t generation = db_generation(c->db);

    for (uint32_t i = 0; i < set_count(hosts); i++) {
        struct ref host = hosts->v[i].r;
        if (ref_equal(host, c->x->host) && plain_port_fit(c->x, e) < 0)
            return -1;
        if (!ref_equal(host, c->x->host))
            (void)co_leader_wait(host, generation, clock_in_ms(FOLLOW_MS));
    }
    return 0;
}

static int co_set_https_only(struct call *c, const struct set *hosts, bool value, struct err *e)
{
    struct txn *t = db_begin(c->db);

    for (uint32_t i = 0; i < set_count(hosts); i++)
        host_set_https_only(t, db_host(c->db, hosts->v[i].r), value);
    return db_commit(t, e) < 0 ? -1 : co_follow_records(c, hosts, e);
}

int co_host_set_https_only(struct call *c, const struct host_set_https_only_args *a, struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    return co_set_https_only(c, set_with_ref(c->mem, NULL, a->self), a->value, e);
}

int co_pool_set_https_only(struct call *c, const struct pool_set_https_only_args *a, struct err *e)
{
    const struct set *hosts = NULL;

    if (!call_row(c, CLASS_POOL, a->self, e))
        return -1;
    DB_FOREACH_HOST (c->db, host)
        hosts = set_with_ref(c->mem, hosts, host->row.ref);
    return co_set_https_only(c, hosts, a->value, e);
}

/* There is no TLS here that could be called legacy. */
int co_host_set_ssl_legacy(struct call *c, const struct host_set_ssl_legacy_args *a, struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    return a->value ? err_value_not_supported(e, "value", "true", "TLS 1.2 is the oldest that is spoken") : 0;
}
