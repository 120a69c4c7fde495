/* VMSS: schedules by which snapshots are taken. */
#include <inttypes.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"
#include "xapid/vmss/run.h"
#include "xapid/vmss/timetable.h"

enum { RETAINED_MIN = 1, RETAINED_MAX = 10 };

static int check_retained(struct call *c, int64_t n, struct err *e)
{
    if (n >= RETAINED_MIN && n <= RETAINED_MAX)
        return 0;
    return err_invalid_value(e, "retained_snapshots", talloc_asprintf(c->mem, "%" PRId64, n));
}

static int check_type(enum vmss_type type, struct err *e)
{
    if (type != VMSS_TYPE_SNAPSHOT_WITH_QUIESCE)
        return 0;
    return err_value_not_supported(e, "type", "snapshot_with_quiesce",
                                   "No guest software that would make disks consistent is supported");
}

static const struct vmss *vmss_of(struct call *c, struct ref ref, struct err *e)
{
    return (const struct vmss *)call_row(c, CLASS_VMSS, ref, e);
}

int co_vmss_create(struct call *c, const struct vmss_create_args *a, union value *ret, struct err *e)
{
    const struct map *timetable;

    if (check_type(a->type, e) < 0 || check_retained(c, a->retained_snapshots, e) < 0 ||
        timetable_complete(c->mem, a->frequency, a->schedule, &timetable, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct vmss *s = vmss_create(t);
    call_set_members(c, t, &s->row, a);
    vmss_set_schedule(t, s, timetable);
    ret->r = s->row.ref;
    return db_commit(t, e);
}

int co_vmss_destroy(struct call *c, const struct vmss_destroy_args *a, struct err *e)
{
    const struct vmss *s = vmss_of(c, a->self, e);

    if (!s)
        return -1;
    if (db_first_referrer(c->db, CLASS_VM, VM_F_SNAPSHOT_SCHEDULE, a->self))
        return err_vmss_has_vm(e);
    struct txn *t = db_begin(c->db);
    db_delete(t, &s->row);
    return db_commit(t, e);
}

int co_vmss_snapshot_now(struct call *c, const struct vmss_snapshot_now_args *a, union value *ret,
                         struct err *e)
{
    CLEANUP_BUF struct buf summary = {0};

    if (co_vmss_run(c, a->vmss, &summary, e) < 0)
        return -1;
    ret->s = talloc_strdup(c->mem, buf_cstr(&summary));
    return 0;
}

int co_vmss_set_retained_snapshots(struct call *c, const struct vmss_set_retained_snapshots_args *a,
                                   struct err *e)
{
    if (check_retained(c, a->value, e) < 0)
        return -1;
    return call_set_field(c, CLASS_VMSS, a->self, VMSS_F_RETAINED_SNAPSHOTS, (union value){.i = a->value}, e);
}

int co_vmss_set_type(struct call *c, const struct vmss_set_type_args *a, struct err *e)
{
    if (check_type(a->value, e) < 0)
        return -1;
    return call_set_field(c, CLASS_VMSS, a->self, VMSS_F_TYPE, (union value){.i = a->value}, e);
}

int co_vmss_set_last_run_time(struct call *c, const struct vmss_set_last_run_time_args *a, struct err *e)
{
    return call_set_field(c, CLASS_VMSS, a->self, VMSS_F_LAST_RUN_TIME, (union value){.i = a->value}, e);
}

/* ---- the timetable, which stays one that its frequency understands ---- */

static int set_timetable(struct call *c, struct ref ref, enum vmss_frequency frequency,
                         const struct map *given, struct err *e)
{
    const struct vmss *s = vmss_of(c, ref, e);
    const struct map *timetable;

    if (!s || timetable_complete(c->mem, frequency, given, &timetable, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    vmss_set_frequency(t, s, frequency);
    vmss_set_schedule(t, s, timetable);
    return db_commit(t, e);
}

int co_vmss_set_frequency(struct call *c, const struct vmss_set_frequency_args *a, struct err *e)
{
    const struct vmss *s = vmss_of(c, a->self, e);
    return s ? set_timetable(c, a->self, a->value, s->schedule, e) : -1;
}

int co_vmss_set_schedule(struct call *c, const struct vmss_set_schedule_args *a, struct err *e)
{
    const struct vmss *s = vmss_of(c, a->self, e);
    return s ? set_timetable(c, a->self, s->frequency, a->value, e) : -1;
}

int co_vmss_add_to_schedule(struct call *c, const struct vmss_add_to_schedule_args *a, struct err *e)
{
    const struct vmss *s = vmss_of(c, a->self, e);

    if (!s)
        return -1;
    return set_timetable(c, a->self, s->frequency, map_with(c->mem, s->schedule, a->key, a->value), e);
}

int co_vmss_remove_from_schedule(struct call *c, const struct vmss_remove_from_schedule_args *a,
                                 struct err *e)
{
    const struct vmss *s = vmss_of(c, a->self, e);

    if (!s)
        return -1;
    return set_timetable(c, a->self, s->frequency, map_without(c->mem, s->schedule, a->key), e);
}

/* ---- its VMs ---- */

int co_vm_set_snapshot_schedule(struct call *c, const struct vm_set_snapshot_schedule_args *a, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm || (!ref_is_null(a->value) && !vmss_of(c, a->value, e)))
        return -1;
    if (vm->is_a_snapshot)
        return err_vm_is_snapshot(e, REF_TEXT(a->self), "set_snapshot_schedule");
    if (vm->is_a_template)
        return err_vm_is_template(e, REF_TEXT(a->self));
    if (vm->is_control_domain)
        return err_operation_not_allowed(e, "A control domain cannot have a snapshot schedule");
    return call_set_field(c, CLASS_VM, a->self, VM_F_SNAPSHOT_SCHEDULE, (union value){.r = a->value}, e);
}
