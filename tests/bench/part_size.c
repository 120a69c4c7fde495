/* What many VMs cost: memory, start-up, and a client that asks for everything. Each VM has a disk, a NIC and
 * the rows that go with them; they are put into the database while the daemon is not there. */
#include <stdio.h>
#include "db/setters.gen.h"
#include "tests/bench/api.h"
#include "tests/bench/host.h"
#include "tests/bench/large_reply.h"
#include "tests/db/sample_vms.h"

#define MANY 10000
#define SOME 1000
#define A_TRANSACTION 1000
#define GOAL_EMPTY_MB 20
#define GOAL_KB_A_VM 10

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

/* Have the daemon come back with so many more; milliseconds of its start. */
static double restart_with(const struct target *t, unsigned from, unsigned to)
{
    CLEANUP_ERR struct err e = {0};
    char path[512];
    struct db *db;

    host_stop(t);
    snprintf(path, sizeof path, "%s/xapid.db", t->state_dir);
    if (db_open(path, &db, &e) < 0)
        die("%s", err_text(NULL, &e));
    for (unsigned i = from; i < to; i += A_TRANSACTION)
        add(db, i, i + A_TRANSACTION);
    db_close(db);
    return host_start_ms(t);
}

static void report(const char *what, const char *unit, double value, double goal)
{
    report_figure(&(struct figure){what, unit, value, 0, goal, LESS_IS_BETTER});
}

static void ask_for_everything(const struct target *t, enum api_format format)
{
    CLEANUP_BUF struct buf request = {0};
    struct api a;

    api_open(&a, t);
    if (format == API_XML)
        api_request(&request, &a, format, "event.from",
                    PARAMS("<array><data><value>*</value></data></array>", "", "<double>30</double>"));
    else
        api_request(&request, &a, format, "event.from", PARAMS("=[\"*\"]", "", "=30.0"));
    large_reply_report(&a, &request, format, "event.from of everything, 10000 VMs", MANY * 1000, 0);
    api_close(&a);
}

void bench_size(const struct target *t)
{
    double empty, some, many, start_ms;

    start_ms = restart_with(t, 0, 0);
    empty = host_memory_kb(t);
    report("start to first answer, empty", "ms", start_ms, 0);
    restart_with(t, 0, SOME);
    some = host_memory_kb(t);
    start_ms = restart_with(t, SOME, MANY);
    many = host_memory_kb(t);
    report("start to first answer, 10000 VMs", "ms", start_ms, 0);
    report("resident memory, empty", "MB", empty / 1024, GOAL_EMPTY_MB);
    report("resident memory, 1000 VMs", "MB", some / 1024, 0);
    report("resident memory, 10000 VMs", "MB", many / 1024, 0);
    report("of which a VM with its disk and NIC", "KB", (many - empty) / MANY, GOAL_KB_A_VM);
    ask_for_everything(t, API_XML);
    ask_for_everything(t, API_JSON);
}
