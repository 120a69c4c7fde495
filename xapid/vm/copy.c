#include "xapid/vm/copy.h"
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "xapid/host/host_agent.h"
#include "xapid/network/vif.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/copy.h"
#include "xapid/vm/copy_record.h"
#include "xapid/vm/image.h"
#include "xapid/vm/live_disks.h"
#include "xapid/vm/stop.h"

/* The storage of one disk's copy. Its VDI and SR are held meanwhile. */
static int co_copy_disk(struct call *c, const struct vm_copying *a, struct copied_disk *d, struct undo *u,
                        struct err *e)
{
    const struct vdi *vdi = db_vdi(c->db, d->source);
    struct vdi_making_args how = {.location = talloc_strdup(c->mem, text_of(vdi->location))};
    struct sr_handle h;

    d->sr = a->kind == VM_COPY_FULL && !ref_is_null(a->sr) ? a->sr : vdi->SR;
    if (a->kind == VM_COPY_FULL)
        return co_vdi_make_copy(c->x, c->mem, d->source, d->sr, u, &d->sm, e);
    how.how = a->kind == VM_COPY_SNAPSHOT ? VDI_MAKE_SNAPSHOT : VDI_MAKE_CLONE;
    if (sr_open(c->x, c->mem, d->sr, &h, e) < 0)
        return -1;
    if (a->kind != VM_COPY_SNAPSHOT)
        return co_vdi_make(c->x, &h, c->mem, &how, u, &d->sm, e);
    return co_live_follow(c, a->source, d->source, e) < 0 ||
                   co_vdi_make(c->x, &h, c->mem, &how, u, &d->sm, e) < 0
               ? -1
               : co_live_follow(c, a->source, d->source, e);
}

static int co_hold_and_copy(struct call *c, const struct vm_copying *a, struct copied_disk *d, struct undo *u,
                            struct err *e)
{
    static const int on_vdi[] = {VDI_OPERATIONS_CLONE, VDI_OPERATIONS_COPY, VDI_OPERATIONS_SNAPSHOT};
    static const int on_sr[] = {STORAGE_OPERATIONS_VDI_CLONE, STORAGE_OPERATIONS_VDI_CREATE,
                                STORAGE_OPERATIONS_VDI_SNAPSHOT};
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op sr_op = {0};

    if (co_op_begin(c, CLASS_VDI, d->source, on_vdi[a->kind], &op, e) < 0)
        return -1;
    struct ref sr = a->kind == VM_COPY_FULL && !ref_is_null(a->sr) ? a->sr : db_vdi(c->db, d->source)->SR;
    if (co_op_begin(c, CLASS_SR, sr, on_sr[a->kind], &sr_op, e) < 0)
        return -1;
    return co_copy_disk(c, a, d, u, e);
}

/* A driver that cannot share blocks gets a full copy asked of it. */
static enum vm_copy_kind kind_for(struct call *c, const struct vm_copying *a, const struct vdi *vdi)
{
    const struct sr *sr = db_sr(c->db, vdi->SR);
    return a->kind == VM_COPY_CLONE && sr && !sr_can(sr, "VDI_CLONE") ? VM_COPY_FULL : a->kind;
}

/* The disks to copy, in no particular order; CDs stay where they are. */
static void list_disks(struct call *c, const struct vm_copying *a, struct copied_disks *list)
{
    const struct set *vbds = db_referrers(c->db, c->mem, CLASS_VBD, VBD_F_VM, a->source);

    list->disks = talloc_zero_array(c->mem, struct copied_disk, set_count(vbds) + 1);
    for (uint32_t i = 0; i < set_count(vbds); i++) {
        const struct vbd *vbd = db_vbd(c->db, vbds->v[i].r);
        if (vbd->type == VBD_TYPE_DISK && db_vdi(c->db, vbd->VDI) && !set_has_ref(a->skip, vbd->VDI))
            list->disks[list->n++] = (struct copied_disk){.vbd = vbd->row.ref, .source = vbd->VDI};
    }
}

static int co_copy_disks(struct call *c, const struct vm_copying *a, struct copied_disks *list,
                         struct undo *u, struct err *e)
{
    for (unsigned i = 0; i < list->n; i++) {
        struct vm_copying mine = *a;
        const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, list->disks[i].source, e);
        if (!vdi)
            return -1;
        mine.kind = kind_for(c, a, vdi);
        if (co_hold_and_copy(c, &mine, &list->disks[i], u, e) < 0)
            return -1;
        list->disks[i].made = true;
        call_progress(c, (i + 1.0) / (list->n + 1.0));
    }
    return 0;
}

/* ---- a checkpoint's memory ---- */

static void show_progress(double done, void *arg)
{
    call_progress(arg, 0.3 + 0.6 * done);
}

/* The memory of a guest that is up. */
static int co_save_memory(struct call *c, const struct vm *vm, struct copied_disks *list, struct undo *u,
                          struct err *e)
{
    const char *uuid = talloc_strdup(c->mem, vm->uuid);
    struct agent *agent = vm_agent(c->x, vm->row.ref, e);
    struct ref ref = vm->row.ref;
    struct agent_image image;
    struct ref sr;

    if (!agent || image_choose_sr(c, vm, &sr, e) < 0 ||
        sr_open_at(c->x, c->mem, sr, vm->resident_on, &list->image_sr, e) < 0 ||
        co_image_make(c, vm, &list->image_sr, u, &list->image, e) < 0)
        return -1;
    image_of_storage(&list->image_sr, &list->image, &image);
    if (co_agent_vm_save(agent, uuid, &image, show_progress, c, e) == 0)
        return 0;
    vm_name_in_error(c, ref, e);
    return -1;
}

/* The memory of one that is suspended. */
static int co_copy_memory(struct call *c, const struct vm *vm, struct copied_disks *list, struct undo *u,
                          struct err *e)
{
    struct ref image = vm->suspend_VDI;
    const struct vdi *vdi = db_vdi(c->db, image);

    if (!vdi)
        return err_vm_has_no_suspend_vdi(e, REF_TEXT(vm->row.ref));
    if (sr_open(c->x, c->mem, vdi->SR, &list->image_sr, e) < 0)
        return -1;
    return co_vdi_make_copy(c->x, c->mem, image, list->image_sr.ref, u, &list->image, e);
}

static int co_take_memory(struct call *c, const struct vm_copying *a, struct copied_disks *list,
                          struct undo *u, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->source, e);

    if (!vm)
        return -1;
    if (!a->memory || vm->power_state == VM_POWER_STATE_HALTED)
        return 0;
    return vm->power_state == VM_POWER_STATE_SUSPENDED ? co_copy_memory(c, vm, list, u, e)
                                                       : co_save_memory(c, vm, list, u, e);
}

/* ---- all together ---- */

int co_vm_copy_storage(struct call *c, const struct vm_copying *a, struct copied_disks *list, struct undo *u,
                       struct err *e)
{
    list_disks(c, a, list);
    return co_copy_disks(c, a, list, u, e) < 0 ? -1 : co_take_memory(c, a, list, u, e);
}

void co_vm_storage_made(struct xapid *x, const struct copied_disks *list)
{
    for (unsigned i = 0; i < list->n; i++)
        co_vdi_made(x, list->disks[i].sm.uuid);
    if (list->image.uuid[0])
        co_vdi_made(x, list->image.uuid);
}

static int co_make_copy(struct call *c, const struct vm_copying *a, struct ref *ret, struct err *e)
{
    struct copied_disks list = {0};
    struct undo undo = {0};

    if (co_vm_copy_storage(c, a, &list, &undo, e) < 0 || vm_copy_record(c, a, &list, ret, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_vm_storage_made(c->x, &list);
    return 0;
}

int co_vm_make_copy(struct call *c, const struct vm_copying *a, struct ref *ret, struct err *e)
{
    bool held = false;
    int rc;

    if (!ref_is_null(a->sr) && !call_row(c, CLASS_SR, a->sr, e))
        return -1;
    if (a->kind == VM_COPY_SNAPSHOT && co_live_hold(c, a->source, &held, e) < 0)
        return -1;
    rc = co_make_copy(c, a, ret, e);
    if (held)
        co_live_let_go(c, a->source);
    return rc;
}
