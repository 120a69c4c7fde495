#include "tests/bench/many_vms.h"
#include <stdio.h>
#include "db/setters.gen.h"
#include "tests/bench/host.h"
#include "tests/db/sample_vms.h"

#define A_TRANSACTION 1000

static struct ref first(struct db *db, enum model_class_id cls)
{
    return db_first(db, cls)->ref;
}

/* As it stands after a clean stop: nothing is attached. */
static void halt(struct txn *t, struct ref vm)
{
    struct db *db = txn_db(t);

    vm_set_power_state(t, db_vm(db, vm), VM_POWER_STATE_HALTED);
    vm_set_resident_on(t, db_vm(db, vm), REF_NULL);
    vm_set_domid(t, db_vm(db, vm), -1);
    for (const struct row *row = db_first_referrer(db, CLASS_VBD, VBD_F_VM, vm); row;
         row = db_next_referrer(db, row, VBD_F_VM, vm))
        vbd_set_currently_attached(t, (const struct vbd *)row, false);
    for (const struct row *row = db_first_referrer(db, CLASS_VIF, VIF_F_VM, vm); row;
         row = db_next_referrer(db, row, VIF_F_VM, vm))
        vif_set_currently_attached(t, (const struct vif *)row, false);
}

static void add(struct db *db, unsigned from, unsigned to)
{
    CLEANUP_ERR struct err e = {0};
    struct txn *t = db_begin(db);

    for (unsigned i = from; i < to; i++)
        halt(t, sample_vm(t, i, first(db, CLASS_HOST), first(db, CLASS_SR), first(db, CLASS_NETWORK)));
    if (db_commit(t, &e) < 0)
        die("%s", err_text(NULL, &e));
}

double many_vms_restart(const struct target *t, unsigned from, unsigned to)
{
    CLEANUP_ERR struct err e = {0};
    char path[512];
    struct db *db;

    host_stop(t);
    snprintf(path, sizeof path, "%s/xapid.db", t->state_dir);
    if (db_open(path, &db, &e) < 0)
        die("%s", err_text(NULL, &e));
    for (unsigned i = from; i < to; i += A_TRANSACTION)
        add(db, i, i + A_TRANSACTION < to ? i + A_TRANSACTION : to);
    db_close(db);
    return host_start_ms(t);
}
