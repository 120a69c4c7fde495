#include <talloc.h>
#include "db/setters.gen.h"
#include "xapid/host/bootstrap.h"
#include "xapid/host/upgrade.h"
#include "xapid/pool/take_over.h"
#include "xapid/storage/sr.h"

static void drop_all(struct txn *t, enum model_class_id cls, const struct set *refs)
{
    for (uint32_t i = 0; i < set_count(refs); i++) {
        const struct row *row = db_get(txn_db(t), cls, refs->v[i].r);
        if (row)
            db_delete(t, row);
    }
}

static void drop_referrers(struct txn *t, void *mem, enum model_class_id cls, unsigned field, struct ref ref)
{
    drop_all(t, cls, db_referrers(txn_db(t), mem, cls, field, ref));
}

static void drop_storage(struct txn *t, void *mem, struct ref host)
{
    const struct set *pbds = db_referrers(txn_db(t), mem, CLASS_PBD, PBD_F_HOST, host);

    for (uint32_t i = 0; i < set_count(pbds); i++) {
        struct ref sr = db_pbd(txn_db(t), pbds->v[i].r)->SR;

        db_delete(t, db_get(txn_db(t), CLASS_PBD, pbds->v[i].r));
        if (db_sr(txn_db(t), sr) && !db_first_referrer(txn_db(t), CLASS_PBD, PBD_F_SR, sr))
            sr_forget_rows(t, mem, sr);
    }
}

static void drop_interfaces(struct txn *t, void *mem, struct ref host)
{
    const struct set *pifs = db_referrers(txn_db(t), mem, CLASS_PIF, PIF_F_HOST, host);

    for (uint32_t i = 0; i < set_count(pifs); i++) {
        const struct pif *pif = db_pif(txn_db(t), pifs->v[i].r);
        const struct row *metrics = db_get(txn_db(t), CLASS_PIF_METRICS, pif->metrics);

        if (metrics)
            db_delete(t, metrics);
        db_delete(t, &pif->row);
    }
}

/* VMs that would rather be there have no preference any more. */
static void forget_affinity(struct txn *t, void *mem, struct ref host)
{
    const struct set *vms = db_referrers(txn_db(t), mem, CLASS_VM, VM_F_AFFINITY, host);

    for (uint32_t i = 0; i < set_count(vms); i++)
        vm_set_affinity(t, db_vm(txn_db(t), vms->v[i].r), REF_NULL);
}

static void drop_control_domain(struct txn *t, void *mem, struct ref ref)
{
    const struct vm *vm = db_vm(txn_db(t), ref);

    if (!vm)
        return;
    const struct row *metrics = db_get(txn_db(t), CLASS_VM_METRICS, vm->metrics);
    if (metrics)
        db_delete(t, metrics);
    drop_referrers(t, mem, CLASS_CONSOLE, CONSOLE_F_VM, ref);
    db_delete(t, &vm->row);
}

void drop_host_rows(struct txn *t, struct ref ref)
{
    const struct host *host = db_host(txn_db(t), ref);
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    if (!host)
        return;
    const struct row *metrics = db_get(txn_db(t), CLASS_HOST_METRICS, host->metrics);
    if (metrics)
        db_delete(t, metrics);
    drop_referrers(t, mem, CLASS_HOST_CPU, HOST_CPU_F_HOST, ref);
    drop_referrers(t, mem, CLASS_CERTIFICATE, CERTIFICATE_F_HOST, ref);
    drop_control_domain(t, mem, host->control_domain);
    drop_storage(t, mem, ref);
    drop_interfaces(t, mem, ref);
    forget_affinity(t, mem, ref);
    db_delete(t, &host->row);
    pool_level_processors(t);
    upgrade_note(t);
}
