#include "xapid/vm/image.h"
#include <string.h>
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/record.h"

#define MIB ((int64_t)1 << 20)
#define TRIES 3 /* a store that could not be written may be writable again */

/* ---- where ---- */

int image_choose_sr(struct call *c, const struct vm *vm, struct ref *ret, struct err *e)
{
    const struct host *host = db_host(c->db, vm->resident_on);
    const struct pool *pool = (const struct pool *)db_first(c->db, CLASS_POOL);
    struct ref choices[] = {vm->suspend_SR, pool ? pool->suspend_image_SR : REF_NULL,
                            host ? host->suspend_image_sr : REF_NULL};

    *ret = REF_NULL;
    for (unsigned i = 0; i < sizeof choices / sizeof *choices; i++) {
        if (!db_sr(c->db, choices[i]))
            continue;
        if (ref_is_null(*ret))
            *ret = choices[i];
        if (sr_is_attached_at(c->db, choices[i], vm->resident_on)) {
            *ret = choices[i];
            return 0;
        }
    }
    return ref_is_null(*ret) ? err_vm_no_suspend_sr(e, REF_TEXT(vm->row.ref)) : 0;
}

/* All memory with the address of each page, the memory of a screen, and what devices remember. */
static int64_t size_for(const struct vm *vm)
{
    return vm->memory_static_max + vm->memory_static_max / 64 + 128 * MIB;
}

int co_image_make(struct call *c, const struct vm *vm, const struct sr_handle *h, struct undo *u,
                  struct sm_vdi *ret, struct err *e)
{
    struct vdi_making_args how = {.how = VDI_MAKE_NEW, .size = size_for(vm)};

    return co_vdi_make(c->x, h, c->mem, &how, u, ret, e);
}

void image_of_storage(const struct sr_handle *h, const struct sm_vdi *sm, struct agent_image *ret)
{
    *ret = (struct agent_image){.sr = h->sm, .location = sm->location};
    memcpy(ret->vdi_uuid, sm->uuid, sizeof ret->vdi_uuid);
}

int image_of_vdi(struct xapid *x, void *ctx, struct ref ref, struct ref host, struct agent_image *ret,
                 struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, ref);
    struct sr_handle h;

    if (!vdi)
        return err_handle_invalid(e, "VDI", REF_TEXT(ref));
    if (sr_open_at(x, ctx, vdi->SR, host, &h, e) < 0)
        return -1;
    *ret = (struct agent_image){.sr = h.sm, .location = talloc_strdup(ctx, text_of(vdi->location))};
    memcpy(ret->vdi_uuid, vdi->uuid, sizeof ret->vdi_uuid);
    return 0;
}

/* ---- rows ---- */

const struct vdi *image_record(struct txn *t, const struct vm *vm, const struct sr_handle *h,
                               const struct sm_vdi *sm)
{
    CLEANUP_TALLOC char *description = talloc_asprintf(NULL, "Memory of VM '%s'", text_of(vm->name_label));
    const struct vdi *vdi = vdi_record(t, h->ref, sm, &(struct vdi_names){"Suspend image", description});

    vdi_set_type(t, vdi, VDI_TYPE_SUSPEND);
    vm_set_suspend_vdi(t, vm, vdi->row.ref);
    return vdi;
}

/* A reference that points at nothing. */
static int clear_reference(struct xapid *x, struct ref ref, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);
    struct txn *t;

    if (!vm || ref_is_null(vm->suspend_VDI))
        return 0;
    t = db_begin(x->db);
    vm_set_suspend_vdi(t, vm, REF_NULL);
    return db_commit(t, e);
}

static int co_remove(struct xapid *x, struct ref vdi, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    co_op_wait_others(CLASS_VDI, vdi, UINT64_MAX, NULL);
    if (!db_vdi(x->db, vdi))
        return 0;
    op_mark(x->db, CLASS_VDI, vdi, VDI_OPERATIONS_DESTROY, REF_NULL, &op);
    return co_vdi_remove(x, vdi, e);
}

void co_image_forget(struct xapid *x, struct ref ref)
{
    const struct vm *vm = db_vm(x->db, ref);
    struct ref vdi = vm ? vm->suspend_VDI : REF_NULL;
    int rc = -1;

    if (ref_is_null(vdi))
        return;
    fiber_mask_cancel();
    for (unsigned i = 0; i < TRIES && rc < 0; i++) {
        CLEANUP_ERR struct err e = {0};
        co_record_durable(x);
        rc = co_remove(x, vdi, &e);
        if (rc == 0)
            rc = clear_reference(x, ref, &e);
        if (rc < 0)
            log_warning("removing the memory image of a VM: %s", e.code);
    }
    fiber_unmask_cancel();
}
