#include "xapid/vm/move_disks.h"
#include <string.h>
#include <talloc.h>
#include "lib/fiber.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/storage/copy.h"
#include "xapid/storage/device.h"
#include "xapid/vm/vm.h"

/* ---- which ---- */

/* Where a map from VDIs sends this one; null: nowhere. */
static struct ref mapped_sr(const struct map *map, struct ref vdi)
{
    for (uint32_t i = 0; i < map_count(map); i++)
        if (ref_equal(map->e[i].k.r, vdi))
            return map->e[i].v.r;
    return REF_NULL;
}

static int refuse_sr(const struct sr *sr, const char *capability, struct err *e)
{
    return err_sr_does_not_support_migration(e, REF_TEXT(sr->row.ref), capability);
}

/* Does another guest have the disk, too? */
static bool is_shared(struct db *db, const struct vm *vm, const struct vdi *vdi)
{
    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, vdi->row.ref)
        if (vbd->currently_attached && !ref_equal(vbd->VM, vm->row.ref))
            return true;
    return false;
}

int move_disk_check_leaving(struct xapid *x, const struct vdi *vdi, struct err *e)
{
    const struct sr *from = db_sr(x->db, vdi->SR);

    if (!from)
        return err_handle_invalid(e, "SR", REF_TEXT(vdi->SR));
    if (!sr_can(from, "VDI_MIRROR"))
        return refuse_sr(from, "VDI_MIRROR", e);
    if (vdi->cbt_enabled)
        return err_vdi_cbt_enabled(e, REF_TEXT(vdi->row.ref));
    return vdi->on_boot == ON_BOOT_RESET ? err_vdi_on_boot_mode_incompatible_with_operation(e) : 0;
}

int move_disk_check_sr(struct xapid *x, struct ref ref, struct err *e)
{
    const struct sr *to = db_sr(x->db, ref);

    if (!to)
        return err_handle_invalid(e, "SR", REF_TEXT(ref));
    return sr_can(to, "VDI_CREATE") ? 0 : refuse_sr(to, "VDI_CREATE", e);
}

int move_disk_check(struct xapid *x, const struct vdi *vdi, struct ref sr, struct err *e)
{
    return move_disk_check_sr(x, sr, e) < 0 ? -1 : move_disk_check_leaving(x, vdi, e);
}

static int check_move(struct xapid *x, const struct vm *vm, const struct vdi *vdi, struct ref sr,
                      struct ref host, struct err *e)
{
    if (move_disk_check(x, vdi, sr, e) < 0)
        return -1;
    if (!sr_is_attached_at(x->db, sr, host))
        return err_vm_requires_sr(e, REF_TEXT(vm->row.ref), REF_TEXT(sr));
    return is_shared(x->db, vm, vdi) ? err_vdi_in_use(e, REF_TEXT(vdi->row.ref), "mirror") : 0;
}

/* Plan for one disk; vbd is NULL for the memory image. */
static int plan(struct moving_disks *d, const struct vm *vm, const struct vbd *vbd, const struct vdi *vdi,
                struct ref host, const struct map *map, struct err *e)
{
    struct ref sr = mapped_sr(map, vdi->row.ref);
    bool reachable = sr_is_attached_at(d->x->db, vdi->SR, host);

    if (reachable && (ref_is_null(sr) || ref_equal(sr, vdi->SR)))
        return 0;
    if (ref_is_null(sr))
        return map && !(vbd && vbd->type == VBD_TYPE_CD)
                   ? err_vdi_not_in_map(e, REF_TEXT(vdi->row.ref))
                   : err_vm_requires_sr(e, REF_TEXT(vm->row.ref), REF_TEXT(vdi->SR));
    if (check_move(d->x, vm, vdi, sr, host, e) < 0)
        return -1;
    d->v[d->n++] = (struct moving_disk){.vbd = vbd ? vbd->row.ref : REF_NULL,
                                        .source = vdi->row.ref,
                                        .sr = sr,
                                        .mirrored = vm_is_up(vm) && vbd && vbd->currently_attached &&
                                                    vbd->mode == VBD_MODE_RW,
                                        .userdevice = vbd ? (unsigned)device_number(vbd->userdevice) : 0};
    return 0;
}

int move_disks_plan(struct xapid *x, void *ctx, const struct vm *vm, struct ref host, const struct map *map,
                    struct moving_disks *ret, struct err *e)
{
    bool suspended = vm->power_state == VM_POWER_STATE_SUSPENDED;
    const struct vdi *image = suspended ? db_vdi(x->db, vm->suspend_VDI) : NULL;

    *ret = (struct moving_disks){.x = x};
    ret->v = talloc_zero_array(ctx, struct moving_disk, DEVICE_COUNT + 1);
    FOREACH_REFERRER (x->db, vbd, vbd, VBD, VM, vm->row.ref) {
        const struct vdi *vdi = db_vdi(x->db, vbd->VDI);
        /* Without a map only the guest goes, and needs what it has. */
        if (vdi && (!vm_is_up(vm) || map || vbd->currently_attached) && ret->n < DEVICE_COUNT &&
            plan(ret, vm, vbd, vdi, host, map, e) < 0)
            return -1;
    }
    return image ? plan(ret, vm, NULL, image, host, map, e) : 0;
}

/* ---- held ---- */

int co_move_disks_hold(struct call *c, struct moving_disks *d, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct moving_disk *m = &d->v[i];
        if (co_op_wait_others(CLASS_VDI, m->source, UINT64_MAX, NULL) < 0)
            return err_task_cancelled(e, REF_TEXT(c->task));
        if (!call_row(c, CLASS_VDI, m->source, e))
            return -1;
        op_mark(c->db, CLASS_VDI, m->source, VDI_OPERATIONS_MIRROR, c->task, &m->op);
        if (co_vdi_doom(c->x, m->source, &m->old, e) < 0)
            return -1;
        m->doomed = true;
    }
    return 0;
}

void move_disks_release(struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        if (d->v[i].doomed && !d->v[i].gone)
            vdi_spare(d->x, &d->v[i].old);
        op_end(&d->v[i].op);
    }
}

/* ---- made ---- */

int co_move_disks_make(struct call *c, struct moving_disks *d, struct ref host, struct undo *u, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct moving_disk *m = &d->v[i];
        const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, m->source, e);
        if (!vdi)
            return -1;
        struct vdi_making_args how = {.how = VDI_MAKE_NEW, .size = vdi->virtual_size};
        if (sr_open_at(c->x, c->mem, m->sr, host, &m->to, e) < 0)
            return -1;
        int rc = m->mirrored ? co_vdi_make(c->x, &m->to, c->mem, &how, u, &m->sm, e)
                             : co_vdi_make_copy(c->x, c->mem, m->source, m->sr, u, &m->sm, e);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int co_move_disks_copy(struct call *c, struct moving_disks *d, struct undo *u, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct moving_disk *m = &d->v[i];
        if (co_vdi_make_copy(c->x, c->mem, m->source, m->sr, u, &m->sm, e) < 0)
            return -1;
        call_progress(c, (i + 1.0) / (d->n + 1.0));
    }
    return 0;
}

/* ---- recorded ---- */

/* All that means the one disk means the other. */
static void change_over(struct txn *t, struct ref from, struct ref to)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vms = db_referrers(txn_db(t), mem, CLASS_VM, VM_F_SUSPEND_VDI, from);
    const struct set *vbds = db_referrers(txn_db(t), mem, CLASS_VBD, VBD_F_VDI, from);
    const struct set *snapshots = db_referrers(txn_db(t), mem, CLASS_VDI, VDI_F_SNAPSHOT_OF, from);

    for (uint32_t i = 0; i < set_count(vbds); i++)
        vbd_set_vdi(t, db_vbd(txn_db(t), vbds->v[i].r), to);
    for (uint32_t i = 0; i < set_count(snapshots); i++)
        vdi_set_snapshot_of(t, db_vdi(txn_db(t), snapshots->v[i].r), to);
    for (uint32_t i = 0; i < set_count(vms); i++)
        vm_set_suspend_vdi(t, db_vm(txn_db(t), vms->v[i].r), to);
}

static bool is_stored(const struct model_field *f)
{
    return !f->derived && !f->removed;
}

static void keep_row(struct db *db, void *ctx, struct moving_disk *m, const struct vdi *old)
{
    const struct model_class *c = &model_classes[CLASS_VDI];
    union value *kept = talloc_zero_array(ctx, union value, c->n_fields);

    for (unsigned i = 0; i < c->n_fields; i++)
        if (is_stored(&c->fields[i]))
            kept[i] = value_copy(kept, c->fields[i].type, db_field(db, kept, &old->row, &c->fields[i]));
    m->kept = kept;
}

static void put_row_back(struct txn *t, const struct moving_disk *m)
{
    const struct model_class *c = &model_classes[CLASS_VDI];
    const struct row *row = db_create(t, CLASS_VDI, m->source);

    for (unsigned i = 0; i < c->n_fields; i++)
        if (is_stored(&c->fields[i]))
            db_set(t, row, i, m->kept[i]);
}

void move_disks_record(struct txn *t, struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct moving_disk *m = &d->v[i];
        const struct vdi *old = db_vdi(txn_db(t), m->source);
        const struct vdi *made = vdi_record(t, m->sr, &m->sm, &(struct vdi_names){0});
        if (old)
            vdi_inherit(t, made, old);
        m->made = made->row.ref;
        change_over(t, m->source, m->made);
        vdi_doomed_delete_row(t, &m->old);
    }
}

void move_disks_recorded(struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++)
        d->v[i].gone = true;
}

void move_disks_keep(void *ctx, struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        const struct vdi *old = db_vdi(d->x->db, d->v[i].source);
        if (old)
            keep_row(d->x->db, ctx, &d->v[i], old);
    }
}

void move_disks_take_back(struct txn *t, struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        const struct moving_disk *m = &d->v[i];
        const struct vdi *made = db_vdi(txn_db(t), m->made);
        if (m->kept)
            put_row_back(t, m);
        change_over(t, m->made, m->source);
        if (made)
            vdi_delete_row(t, made);
    }
}

void move_disks_taken_back(struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++)
        d->v[i].gone = false;
}

void co_move_disks_bury(struct moving_disks *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        co_vdi_made(d->x, d->v[i].sm.uuid);
        co_vdi_bury(d->x, &d->v[i].old);
    }
}
