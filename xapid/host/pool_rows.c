/* The pool of one host that every host starts as. */
#include "db/setters.gen.h"
#include "xapid/host/bootstrap.h"

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
    const struct host *host = db_host(x->db, x->host);

    if (!pool) {
        pool = pool_create(t);
        pool_set_master(t, pool, x->host);
        pool_set_igmp_snooping_enabled(t, pool, false);
    }
    x->pool = pool->row.ref;
    pool_set_cpu_info(t, pool, host->cpu_info);
}
