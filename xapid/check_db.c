#include "xapid/check_db.h"
#include <stdio.h>
#include "db/setters.gen.h"
#include "lib/buf.h"
#include "xapid/vm/vm.h"

struct findings {
    struct db *db;
    db_tell *tell;
    void *arg;
};

static void tell_row(struct findings *f, const struct row *row, const char *what)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    f->tell(talloc_asprintf(mem, "%s %s", db_row_text(mem, row), what), f->arg);
}

/* ---- what db/ does not know: what the rows mean ---- */

/* Rows of a class that belong to another row: it has to be there, and no two have the same place in it. */
static const struct {
    enum model_class_id cls;
    unsigned owner, place;
    const char *unowned, *twice;
} belongings[] = {
    {CLASS_VBD, VBD_F_VM, VBD_F_USERDEVICE, "belongs to no VM", "has the device of another VBD of its VM"},
    {CLASS_VIF, VIF_F_VM, VIF_F_DEVICE, "belongs to no VM", "has the device of another VIF of its VM"},
    {CLASS_PBD, PBD_F_SR, PBD_F_HOST, "belongs to no SR", "is a second PBD between its SR and its host"},
    {CLASS_VDI, VDI_F_SR, VDI_F_UUID, "belongs to no SR", NULL},
    {CLASS_PIF, PIF_F_HOST, PIF_F_UUID, "belongs to no host", NULL},
    {CLASS_CONSOLE, CONSOLE_F_VM, CONSOLE_F_UUID, "belongs to no VM", NULL},
};

static void check_place(struct findings *f, unsigned n, const struct row *row, struct ref owner)
{
    enum model_class_id cls = belongings[n].cls;
    const struct model_field *place = &model_classes[cls].fields[belongings[n].place];
    union value mine = db_field(f->db, NULL, row, place);
    const struct row *other = db_first_referrer(f->db, cls, belongings[n].owner, owner);
    for (; other != row; other = db_next_referrer(f->db, other, belongings[n].owner, owner))
        if (value_equal(place->type, db_field(f->db, NULL, other, place), mine)) {
            tell_row(f, row, belongings[n].twice);
            return;
        }
}

static void check_belongings(struct findings *f, unsigned n)
{
    enum model_class_id cls = belongings[n].cls;
    DB_FOREACH (f->db, cls, row) {
        struct ref owner = db_field(f->db, NULL, row, &model_classes[cls].fields[belongings[n].owner]).r;
        if (ref_is_null(owner))
            tell_row(f, row, belongings[n].unowned);
        else if (belongings[n].twice)
            check_place(f, n, row, owner);
    }
}

/* Rows that two others may not share. */
static void check_single_owner(struct findings *f, enum model_class_id owned, enum model_class_id owner,
                               unsigned field)
{
    DB_FOREACH (f->db, owned, row) {
        const struct row *first = db_first_referrer(f->db, owner, field, row->ref);
        if (first && db_next_referrer(f->db, first, field, row->ref))
            tell_row(f, row, "is used by more than one row");
    }
}

static void check_pool(struct findings *f)
{
    if (db_count(f->db, CLASS_POOL) > 1)
        f->tell("there is more than one pool", f->arg);
    DB_FOREACH_POOL (f->db, pool)
        if (!db_host(f->db, pool->master))
            tell_row(f, &pool->row, "has no master");
}

static void check_vms(struct findings *f)
{
    DB_FOREACH_VM (f->db, vm) {
        bool up = vm_is_up(vm);
        if (up && ref_is_null(vm->resident_on))
            tell_row(f, &vm->row, "is up, but on no host");
        if (vm->power_state == VM_POWER_STATE_HALTED && !ref_is_null(vm->resident_on))
            tell_row(f, &vm->row, "is halted, but on a host");
    }
}

static void check_meaning(struct findings *f)
{
    check_pool(f);
    check_vms(f);
    for (unsigned i = 0; i < sizeof belongings / sizeof *belongings; i++)
        check_belongings(f, i);
    check_single_owner(f, CLASS_VM_METRICS, CLASS_VM, VM_F_METRICS);
    check_single_owner(f, CLASS_VM_GUEST_METRICS, CLASS_VM, VM_F_GUEST_METRICS);
    check_single_owner(f, CLASS_HOST_METRICS, CLASS_HOST, HOST_F_METRICS);
}

void check_db_rows(struct db *db, db_tell *tell, void *arg)
{
    struct findings f = {db, tell, arg};
    db_check_rows(db, tell, arg);
    check_meaning(&f);
}

/* ---- the command ---- */

static void print(const char *problem, void *arg)
{
    fprintf(stderr, "%s\n", problem);
    ++*(unsigned *)arg;
}

static unsigned count_rows(struct db *db)
{
    unsigned n = 0;
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        n += db_count(db, cls);
    return n;
}

int check_db(const struct xapid_options *o)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf own = {0};
    struct db *db;
    unsigned n = 0;
    buf_printf(&own, "%s/xapid.db", o->state_dir);
    if (db_check(*o->check_db ? o->check_db : buf_cstr(&own), print, &n, &db, &e) < 0) {
        fprintf(stderr, "xapid: %s\n", e.params[0]);
        return 1;
    }
    check_db_rows(db, print, &n);
    if (n == 0)
        printf("xapid: the database is good: %u rows\n", count_rows(db));
    else
        fprintf(stderr, "xapid: the database has %u problem%s\n", n, n == 1 ? "" : "s");
    db_close(db);
    return n > 0;
}
