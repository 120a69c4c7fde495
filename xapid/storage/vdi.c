#include "xapid/storage/vdi.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/reftext.h"
#include "xapid/storage/notes.h"

/* After an attempt that failed: nothing was made or removed. When that is not known the note stays, to be
 * settled. */
static void drop_note_after(struct xapid *x, const char *uuid, const struct err *e)
{
    if (agent_outcome_unknown(e))
        note_give_up(uuid);
    else
        note_drop(x->options.state_dir, uuid);
}

/* ---- making ---- */

struct unmaking {
    struct xapid *x;
    struct ref sr;
    char uuid[UUID_TEXT_SIZE], location[256];
};

/* The undo step: remove storage that no row names. */
static int co_unmake(void *arg)
{
    const struct unmaking *u = arg;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct sr_handle h;

    if (sr_open(u->x, mem, u->sr, &h, &e) < 0 || co_agent_vdi_destroy(h.agent, &h.sm, u->location, &e) < 0) {
        log_warning("removing disk %s: %s", u->uuid, err_text(mem, &e));
        note_give_up(u->uuid);
        return -EIO;
    }
    note_drop(u->x->options.state_dir, u->uuid);
    return 0;
}

static bool can_make(const struct sm_driver *d, enum vdi_making how)
{
    switch (how) {
    case VDI_MAKE_CLONE:
        return d->co_vdi_clone;
    case VDI_MAKE_SNAPSHOT:
        return d->co_vdi_snapshot;
    case VDI_MAKE_NEW:
        break;
    }
    return d->co_vdi_create;
}

static int co_make_storage(const struct sr_handle *h, void *ctx, const struct vdi_making_args *a,
                           const char *uuid, struct sm_vdi *ret, struct err *e)
{
    switch (a->how) {
    case VDI_MAKE_CLONE:
        return co_agent_vdi_clone(h->agent, &h->sm, ctx, a->location, uuid, ret, e);
    case VDI_MAKE_SNAPSHOT:
        return co_agent_vdi_snapshot(h->agent, &h->sm, ctx, a->location, uuid, ret, e);
    case VDI_MAKE_NEW:
        break;
    }
    return co_agent_vdi_create(h->agent, &h->sm, ctx, uuid, a->size, a->sm_config, ret, e);
}

int co_vdi_make(struct xapid *x, const struct sr_handle *h, void *ctx, const struct vdi_making_args *a,
                struct undo *u, struct sm_vdi *ret, struct err *e)
{
    struct unmaking back = {.x = x, .sr = h->ref};
    const char *state_dir = x->options.state_dir;

    if (!can_make(h->driver, a->how))
        return err_sr_operation_not_supported(e, REF_TEXT(h->ref));
    uuid_new(back.uuid);
    int rc = co_note_write(state_dir, back.uuid, h->sm.uuid);
    if (rc < 0) {
        note_drop(state_dir, back.uuid);
        return err_errno(e, rc, "note of disk %s", back.uuid);
    }
    if (co_make_storage(h, ctx, a, back.uuid, ret, e) < 0) {
        drop_note_after(x, back.uuid, e);
        return -1;
    }
    snprintf(back.location, sizeof back.location, "%s", ret->location);
    undo_push(u, "remove the new disk", co_unmake, &back, sizeof back);
    return 0;
}

struct drop_later {
    struct xapid *x;
    uint64_t generation;
    char uuid[UUID_TEXT_SIZE];
};

/* The store cannot write at this moment; a daemon that ends before it can leaves the note to the next. */
static void co_drop_later(void *arg)
{
    struct drop_later *d = arg;
    int rc;

    while ((rc = co_db_wait_durable(d->x->db, d->generation, CLOCK_NEVER)) == -EIO)
        if (co_sleep_until(clock_in_ms(200), "the database can be written again") < 0)
            break;
    if (rc == 0)
        note_drop(d->x->options.state_dir, d->uuid);
    free(d);
}

void co_vdi_made(struct xapid *x, const char *vdi_uuid)
{
    uint64_t generation = db_generation(x->db);

    fiber_mask_cancel();
    int rc = co_db_wait_durable(x->db, generation, CLOCK_NEVER);
    fiber_unmask_cancel();
    if (rc == 0) {
        note_drop(x->options.state_dir, vdi_uuid);
        return;
    }
    struct drop_later *d = mem_zalloc(sizeof *d);
    *d = (struct drop_later){.x = x, .generation = generation};
    memcpy(d->uuid, vdi_uuid, sizeof d->uuid);
    fiber_spawn("note of a disk", co_drop_later, d);
}

/* ---- removing ---- */

static int delete_row(struct xapid *x, struct ref ref, struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, ref);

    if (!vdi)
        return 0;
    struct txn *t = db_begin(x->db);
    vdi_delete_row(t, vdi);
    return db_commit(t, e);
}

/* Storage is gone, so the row must go: tried twice, and at the next start if need be. The note goes once that
 * is durable. */
static int co_forget_removed(struct xapid *x, struct ref ref, const char *uuid, struct err *e)
{
    CLEANUP_ERR struct err first = {0};

    if (delete_row(x, ref, &first) < 0 && delete_row(x, ref, e) < 0) {
        note_give_up(uuid);
        return -1;
    }
    co_vdi_made(x, uuid);
    return 0;
}

int co_vdi_remove(struct xapid *x, struct ref ref, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vdi *vdi = db_vdi(x->db, ref);
    struct sr_handle h;

    if (!vdi)
        return err_handle_invalid(e, "VDI", REF_TEXT(ref));
    char *uuid = talloc_strdup(mem, vdi->uuid), *location = talloc_strdup(mem, vdi->location);
    if (sr_open(x, mem, vdi->SR, &h, e) < 0)
        return -1;
    if (!h.driver->co_vdi_destroy)
        return err_sr_operation_not_supported(e, REF_TEXT(h.ref));
    int rc = co_note_write(x->options.state_dir, uuid, h.sm.uuid);
    if (rc < 0)
        err_errno(e, rc, "note of disk %s", uuid);
    else
        rc = co_agent_vdi_destroy(h.agent, &h.sm, location, e);
    if (rc < 0) {
        drop_note_after(x, uuid, e);
        return -1;
    }
    return co_forget_removed(x, ref, uuid, e);
}

int co_vdi_doom(struct xapid *x, struct ref ref, struct vdi_doomed *ret, struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, ref);
    const struct sr *sr = vdi ? db_sr(x->db, vdi->SR) : NULL;
    int rc;

    if (!sr)
        return err_handle_invalid(e, "VDI", REF_TEXT(ref));
    *ret = (struct vdi_doomed){.vdi = ref, .sr = vdi->SR};
    memcpy(ret->uuid, vdi->uuid, sizeof ret->uuid);
    snprintf(ret->location, sizeof ret->location, "%s", text_of(vdi->location));
    rc = co_note_write(x->options.state_dir, ret->uuid, sr->uuid);
    if (rc == 0)
        return 0;
    note_drop(x->options.state_dir, ret->uuid);
    return err_errno(e, rc, "note of disk %s", ret->uuid);
}

void vdi_doomed_delete_row(struct txn *t, const struct vdi_doomed *d)
{
    const struct vdi *vdi = db_vdi(txn_db(t), d->vdi);

    if (vdi)
        vdi_delete_row(t, vdi);
}

void vdi_spare(struct xapid *x, const struct vdi_doomed *d)
{
    note_drop(x->options.state_dir, d->uuid);
}

void vdi_leave_doomed(const struct vdi_doomed *d)
{
    note_give_up(d->uuid);
}

void co_vdi_bury(struct xapid *x, const struct vdi_doomed *d)
{
    struct unmaking u = {.x = x, .sr = d->sr};

    memcpy(u.uuid, d->uuid, sizeof u.uuid);
    memcpy(u.location, d->location, sizeof u.location);
    fiber_mask_cancel();
    while (co_db_wait_durable(x->db, db_generation(x->db), CLOCK_NEVER) == -EIO)
        co_sleep_until(clock_in_ms(200), "the database can be written again");
    co_unmake(&u);
    fiber_unmask_cancel();
}

/* ---- after a crash ---- */

/* Bring row and storage of one disk into line. */
static int co_settle(struct xapid *x, const struct note *note, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct row *sr = db_get_by_uuid(x->db, CLASS_SR, note->sr_uuid);
    struct sm_vdi *found, *has = NULL;
    struct sr_handle h;
    unsigned n;

    if (!sr)
        return 0;
    if (sr_open(x, mem, sr->ref, &h, e) < 0 || co_agent_sr_scan(h.agent, &h.sm, mem, &found, &n, e) < 0)
        return -1;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(found[i].uuid, note->vdi_uuid) == 0)
            has = &found[i];
    const struct vdi *vdi = (const struct vdi *)db_get_by_uuid(x->db, CLASS_VDI, note->vdi_uuid);
    if (has && !vdi)
        return co_agent_vdi_destroy(h.agent, &h.sm, has->location, e);
    return !vdi || has ? 0 : delete_row(x, vdi->row.ref, e);
}

void co_vdi_settle_notes(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    unsigned n;
    const struct note *notes = notes_read(mem, x->options.state_dir, &n);

    for (unsigned i = 0; i < n; i++) {
        CLEANUP_ERR struct err e = {0};
        if (note_is_at_work(notes[i].vdi_uuid))
            continue;
        if (co_settle(x, &notes[i], &e) == 0)
            co_vdi_made(x, notes[i].vdi_uuid);
        else
            log_warning("disk %s was being made or removed: %s", notes[i].vdi_uuid, err_text(mem, &e));
    }
}

/* ---- rows ---- */

const struct vdi *vdi_record(struct txn *t, struct ref sr, const struct sm_vdi *sm,
                             const struct vdi_names *names)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vdi *vdi = vdi_create(t);

    vdi_set_uuid(t, vdi, sm->uuid);
    vdi_set_sr(t, vdi, sr);
    vdi_set_name_label(t, vdi, names->label ? names->label : "");
    vdi_set_name_description(t, vdi, names->description ? names->description : "");
    vdi_set_location(t, vdi, sm->location);
    vdi_set_virtual_size(t, vdi, sm->virtual_size);
    vdi_set_physical_utilisation(t, vdi, sm->physical_utilisation);
    vdi_set_read_only(t, vdi, sm->read_only);
    vdi_set_type(t, vdi, VDI_TYPE_USER);
    vdi_set_on_boot(t, vdi, ON_BOOT_PERSIST);
    vdi_set_managed(t, vdi, true);
    if (sm->parent)
        vdi_set_sm_config(t, vdi, map_with(mem, NULL, "vhd-parent", sm->parent));
    return vdi;
}

void vdi_inherit(struct txn *t, const struct vdi *to, const struct vdi *from)
{
    vdi_set_name_label(t, to, from->name_label);
    vdi_set_name_description(t, to, from->name_description);
    vdi_set_type(t, to, from->type);
    vdi_set_sharable(t, to, from->sharable);
    vdi_set_read_only(t, to, from->read_only);
    vdi_set_other_config(t, to, from->other_config);
    vdi_set_xenstore_data(t, to, from->xenstore_data);
    vdi_set_tags(t, to, from->tags);
}

void vdi_mark_snapshot(struct txn *t, const struct vdi *snapshot, struct ref of, int64_t when)
{
    vdi_set_is_a_snapshot(t, snapshot, true);
    vdi_set_snapshot_of(t, snapshot, of);
    vdi_set_snapshot_time(t, snapshot, when);
}

void vdi_delete_row(struct txn *t, const struct vdi *vdi)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vbds = db_referrers(txn_db(t), mem, CLASS_VBD, VBD_F_VDI, vdi->row.ref);
    const struct set *dumps = db_referrers(txn_db(t), mem, CLASS_CRASHDUMP, CRASHDUMP_F_VDI, vdi->row.ref);
    const struct set *suspended = db_referrers(txn_db(t), mem, CLASS_VM, VM_F_SUSPEND_VDI, vdi->row.ref);
    const struct set *snapshots = db_referrers(txn_db(t), mem, CLASS_VDI, VDI_F_SNAPSHOT_OF, vdi->row.ref);

    for (uint32_t i = 0; i < set_count(vbds); i++) {
        const struct vbd *vbd = db_vbd(txn_db(t), vbds->v[i].r);
        if (vbd->type == VBD_TYPE_CD) {
            vbd_set_vdi(t, vbd, REF_NULL);
            vbd_set_empty(t, vbd, true);
        } else {
            db_delete(t, &vbd->row);
        }
    }
    for (uint32_t i = 0; i < set_count(dumps); i++)
        db_delete(t, db_get(txn_db(t), CLASS_CRASHDUMP, dumps->v[i].r));
    for (uint32_t i = 0; i < set_count(suspended); i++)
        vm_set_suspend_vdi(t, db_vm(txn_db(t), suspended->v[i].r), REF_NULL);
    for (uint32_t i = 0; i < set_count(snapshots); i++)
        vdi_set_snapshot_of(t, db_vdi(txn_db(t), snapshots->v[i].r), REF_NULL);
    db_delete(t, &vdi->row);
}
