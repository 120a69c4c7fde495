#include "xapid/host/bootstrap.h"
#include <unistd.h>
#include "db/setters.gen.h"

static void make_host(struct txn *t, struct xapid *x)
{
    char hostname[256] = "localhost";
    gethostname(hostname, sizeof hostname - 1);
    const struct host *h = host_create(t);
    host_set_name_label(t, h, hostname);
    host_set_hostname(t, h, hostname);
    host_set_enabled(t, h, true);
    x->host = h->row.ref;
}

static void make_pool(struct txn *t, struct xapid *x)
{
    const struct pool *p = pool_create(t);
    pool_set_master(t, p, x->host);
    x->pool = p->row.ref;
}

int co_host_bootstrap(struct xapid *x, struct err *e)
{
    const struct row *host = db_first(x->db, CLASS_HOST), *pool = db_first(x->db, CLASS_POOL);
    struct txn *t = db_begin(x->db);
    if (host)
        x->host = host->ref;
    else
        make_host(t, x);
    if (pool)
        x->pool = pool->ref;
    else
        make_pool(t, x);
    db_set(t, db_get(x->db, CLASS_HOST, x->host), HOST_F_ADDRESS, (union value){.s = x->options.address});
    return db_commit(t, e);
}

void host_on_report(const struct hv_report *r, void *arg)
{
}
