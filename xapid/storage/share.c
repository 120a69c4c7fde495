#include "xapid/storage/share.h"
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/log.h"
#include "xapid/host/host_agent.h"
#include "xapid/storage/pbd.h"
#include "xapid/storage/sr.h"

void share_rows(struct txn *t, struct ref host)
{
    struct db *db = txn_db(t);

    DB_FOREACH_SR (db, sr) {
        const struct row *first = db_first_referrer(db, CLASS_PBD, PBD_F_SR, sr->row.ref);

        if (sr->shared && first && !pbd_of_host(db, sr->row.ref, host))
            pbd_record(t, sr->row.ref, host, ((const struct pbd *)first)->device_config);
    }
}

static int record_pbds(struct xapid *x, struct err *e)
{
    struct txn *t = db_begin(x->db);

    DB_FOREACH_HOST (x->db, host)
        share_rows(t, host->row.ref);
    return db_commit(t, e);
}

int co_share_new_sr(struct xapid *x, struct ref sr, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    if (record_pbds(x, e) < 0)
        return -1;
    const struct set *pbds = db_referrers(x->db, mem, CLASS_PBD, PBD_F_SR, sr);
    for (uint32_t i = 0; i < set_count(pbds); i++) {
        CLEANUP_ERR struct err problem = {0};
        const struct pbd *pbd = db_pbd(x->db, pbds->v[i].r);

        if (pbd && host_is_reachable(x, pbd->host) && co_pbd_attach(x, pbds->v[i].r, &problem) < 0)
            log_warning("attaching a shared SR: %s", err_text(mem, &problem));
    }
    return 0;
}
