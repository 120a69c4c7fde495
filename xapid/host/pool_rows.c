/* The pool of one host that every host starts as, and what its hosts have in common. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/cpu_features.h"

struct ref pool_own_host(struct xapid *x)
{
    const struct pool *pool = (const struct pool *)db_first(x->db, CLASS_POOL);
    const struct row *host = db_host(x->db, x->host) ? db_get(x->db, CLASS_HOST, x->host)
                             : pool                  ? db_get(x->db, CLASS_HOST, pool->master)
                                                     : NULL;

    if (!host)
        host = db_first(x->db, CLASS_HOST);
    return host ? host->ref : REF_NULL;
}

void pool_rows(struct txn *t, struct xapid *x)
{
    const struct pool *pool = (const struct pool *)db_first(x->db, CLASS_POOL);

    if (!pool) {
        pool = pool_create(t);
        pool_set_igmp_snooping_enabled(t, pool, false);
    }
    x->pool = pool->row.ref;
    pool_set_master(t, pool, x->host);
    pool_level_processors(t);
}

static const char *get(const struct map *m, const char *key)
{
    const char *value = map_get(m, key);
    return value ? value : "";
}

/* Numbers are added up, features must be everywhere, the vendor is that of all or none's. */
static const struct map *level(void *mem, const struct map *so_far, const struct map *host)
{
    static const char *const numbers[] = {"cpu_count", "socket_count"};
    static const char *const masks[] = {"features_pv", "features_pv_host", "features_hvm",
                                        "features_hvm_host"};
    const char *vendor = get(host, "vendor");
    bool first = !so_far;
    struct map *m =
        map_with(mem, so_far, "vendor", first || strcmp(get(so_far, "vendor"), vendor) == 0 ? vendor : "");

    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int sum = atoi(get(so_far, numbers[i])) + atoi(get(host, numbers[i]));
        m = map_with(mem, m, numbers[i], talloc_asprintf(mem, "%d", sum));
    }
    for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++) {
        const char *mask = get(host, masks[i]);
        bool known = *mask && (first || *get(so_far, masks[i]));
        m = map_with(mem, m, masks[i],
                     !known  ? ""
                     : first ? mask
                             : cpu_features_common(mem, get(so_far, masks[i]), mask));
    }
    return m;
}

void pool_level_processors(struct txn *t)
{
    const struct pool *pool = (const struct pool *)db_first(txn_db(t), CLASS_POOL);
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct map *common = NULL;

    DB_FOREACH_HOST (txn_db(t), host)
        common = level(mem, common, host->cpu_info);
    if (pool)
        pool_set_cpu_info(t, pool, common);
}

void absent_rows(struct txn *t, struct xapid *x)
{
    DB_FOREACH_HOST (x->db, host) {
        const struct host_metrics *m = db_host_metrics(x->db, host->metrics);

        if (m && !ref_equal(host->row.ref, x->host))
            host_metrics_set_live(t, m, false);
    }
}
