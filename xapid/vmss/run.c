#include "xapid/vmss/run.h"
#include <stdlib.h>
#include <talloc.h>
#include <time.h>
#include "lib/clock.h"
#include "xapid/dispatch.h"
#include "xapid/handlers.gen.h"
#include "xapid/message/message.h"

enum { PRIORITY_SUCCEEDED = 5, PRIORITY_FAILED = 3 };

static const struct vmss *vmss_of(struct call *c, struct ref ref)
{
    return (const struct vmss *)db_get(c->db, CLASS_VMSS, ref);
}

/* ---- one snapshot ---- */

/* "<schedule> <VM> <time>"; the time in UTC. */
static const char *snapshot_name(void *ctx, const struct vmss *s, const struct vm *vm)
{
    char when[32];
    struct tm tm;
    time_t now = (time_t)clock_wall();

    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm);
    return talloc_asprintf(ctx, "%s %s %s", s->name_label, vm->name_label, when);
}

/* By its message, since memory can be kept only where VM.checkpoint is there. */
static int co_checkpoint(struct call *c, struct ref vm, const char *name, struct ref *ret, struct err *e)
{
    const struct model_message *m = model_message_by_name("VM.checkpoint");
    struct vm_checkpoint_args a = {.vm = vm, .new_name = name};
    union value v = {0};

    if (m->gap)
        return err_not_implemented(e, m->full_name);
    if (xapid_handlers[m->handler](c, &a, &v, NULL, e) < 0)
        return -1;
    *ret = v.r;
    return 0;
}

static int co_snapshot(struct call *c, const struct vmss *s, const struct vm *vm, struct ref *ret,
                       struct err *e)
{
    struct vm_snapshot_args a = {.vm = vm->row.ref, .new_name = snapshot_name(c->mem, s, vm)};
    bool with_memory = s->type == VMSS_TYPE_CHECKPOINT && vm->power_state == VM_POWER_STATE_RUNNING;
    union value v = {0};

    if (with_memory)
        return co_checkpoint(c, a.vm, a.new_name, ret, e);
    if (co_vm_snapshot(c, &a, &v, e) < 0)
        return -1;
    *ret = v.r;
    return 0;
}

static int mark(struct call *c, struct ref snapshot, struct err *e)
{
    const struct vm *vm = db_vm(c->db, snapshot);
    struct txn *t = db_begin(c->db);

    if (vm)
        vm_set_is_vmss_snapshot(t, vm, true);
    return db_commit(t, e);
}

/* ---- retention ---- */

static int compare_age(const void *a, const void *b)
{
    const struct vm *const *x = a, *const *y = b;
    return ((*x)->snapshot_time > (*y)->snapshot_time) - ((*x)->snapshot_time < (*y)->snapshot_time);
}

/* The VM's scheduled snapshots that are too many, the oldest first, on c->mem. */
static const struct ref *surplus(struct call *c, struct ref vm, int64_t kept, unsigned *ret_n)
{
    const struct set *all = db_referrers(c->db, c->mem, CLASS_VM, VM_F_SNAPSHOT_OF, vm);
    const struct vm **snapshots = talloc_array(c->mem, const struct vm *, set_count(all) + 1);
    struct ref *refs = talloc_array(c->mem, struct ref, set_count(all) + 1);
    unsigned n = 0;

    for (uint32_t i = 0; i < set_count(all); i++) {
        const struct vm *s = db_vm(c->db, all->v[i].r);
        if (s->is_vmss_snapshot)
            snapshots[n++] = s;
    }
    qsort(snapshots, n, sizeof *snapshots, compare_age);
    *ret_n = (int64_t)n > kept ? n - (unsigned)kept : 0;
    for (unsigned i = 0; i < *ret_n; i++)
        refs[i] = snapshots[i]->row.ref;
    return refs;
}

/* With its disks, and the memory of a checkpoint. */
static int co_destroy(struct call *c, struct ref snapshot, struct err *e)
{
    struct vm_destroy_args a = {.self = snapshot};
    const struct set *vbds = db_referrers(c->db, c->mem, CLASS_VBD, VBD_F_VM, snapshot);
    struct ref *disks = talloc_array(c->mem, struct ref, set_count(vbds) + 1);
    struct ref memory = db_vm(c->db, snapshot)->suspend_VDI;
    unsigned n = 0;

    for (uint32_t i = 0; i < set_count(vbds); i++) {
        const struct vbd *vbd = db_vbd(c->db, vbds->v[i].r);
        if (vbd->type == VBD_TYPE_DISK && !ref_is_null(vbd->VDI))
            disks[n++] = vbd->VDI;
    }
    if (db_vdi(c->db, memory))
        disks[n++] = memory;
    if (co_vm_destroy(c, &a, e) < 0)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        struct vdi_destroy_args disk = {.self = disks[i]};
        if (co_vdi_destroy(c, &disk, e) < 0)
            return -1;
    }
    return 0;
}

static int co_delete_surplus(struct call *c, struct ref vm, int64_t kept, struct err *e)
{
    unsigned n;
    const struct ref *old = surplus(c, vm, kept, &n);

    for (unsigned i = 0; i < n; i++)
        if (co_destroy(c, old[i], e) < 0)
            return -1;
    return 0;
}

/* ---- the turn ---- */

static int co_serve(struct call *c, struct ref vmss, struct ref ref, struct err *e)
{
    const struct vmss *s = vmss_of(c, vmss);
    const struct vm *vm = db_vm(c->db, ref);
    struct ref snapshot = REF_NULL;

    if (!s || !vm)
        return 0;
    int64_t kept = s->retained_snapshots;
    if (co_snapshot(c, s, vm, &snapshot, e) < 0 || mark(c, snapshot, e) < 0)
        return -1;
    return co_delete_surplus(c, ref, kept, e);
}

static void tell(struct call *c, struct ref vmss, const char *vm_uuid, const struct err *outcome,
                 struct buf *summary)
{
    CLEANUP_ERR struct err ignored = {0};
    const struct vmss *s = vmss_of(c, vmss);
    bool failed = err_is_set(outcome);
    const char *text =
        talloc_asprintf(c->mem, "VM %s: %s", vm_uuid, failed ? err_text(c->mem, outcome) : "snapshot taken");

    buf_printf(summary, "%s\n", text);
    if (!s)
        return;
    struct txn *t = db_begin(c->db);
    message_post(t, failed ? "VMSS_SNAPSHOT_FAILED" : "VMSS_SNAPSHOT_SUCCEEDED",
                 failed ? PRIORITY_FAILED : PRIORITY_SUCCEEDED, CLS_VMSS, s->uuid, text);
    (void)db_commit(t, &ignored);
}

static int note_run(struct call *c, const struct vmss *s, struct err *e)
{
    struct txn *t = db_begin(c->db);
    vmss_set_last_run_time(t, s, clock_wall());
    return db_commit(t, e);
}

int co_vmss_run(struct call *c, struct ref vmss, struct buf *summary, struct err *e)
{
    const struct vmss *s = (const struct vmss *)call_row(c, CLASS_VMSS, vmss, e);

    if (!s || note_run(c, s, e) < 0)
        return -1;
    const struct set *vms = db_referrers(c->db, c->mem, CLASS_VM, VM_F_SNAPSHOT_SCHEDULE, vmss);
    for (uint32_t i = 0; i < set_count(vms); i++) {
        CLEANUP_ERR struct err mine = {0};
        const struct vm *vm = db_vm(c->db, vms->v[i].r);
        if (!vm || vm->is_a_snapshot)
            continue;
        const char *uuid = talloc_strdup(c->mem, vm->uuid);
        (void)co_serve(c, vmss, vms->v[i].r, &mine);
        tell(c, vmss, uuid, &mine, summary);
        call_progress(c, (i + 1.0) / set_count(vms));
    }
    return 0;
}
