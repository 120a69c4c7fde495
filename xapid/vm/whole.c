#include "xapid/vm/whole.h"
#include <talloc.h>
#include "lib/fiber.h"
#include "xapid/reftext.h"
#include "xapid/server.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/vm.h"

static bool has(const struct ref *list, unsigned n, struct ref ref)
{
    for (unsigned i = 0; i < n; i++)
        if (ref_equal(list[i], ref))
            return true;
    return false;
}

static void add_disk(struct db *db, void *ctx, struct vm_whole *w, struct ref vdi)
{
    if (!db_vdi(db, vdi) || has(w->disks, w->n_disks, vdi))
        return;
    w->disks = talloc_realloc(ctx, w->disks, struct ref, w->n_disks + 1);
    w->disks[w->n_disks++] = vdi;
}

static void add_vm(struct db *db, void *ctx, struct vm_whole *w, const struct vm *vm)
{
    w->vms = talloc_realloc(ctx, w->vms, struct ref, w->n_vms + 1);
    w->vms[w->n_vms++] = vm->row.ref;
    FOREACH_REFERRER (db, vbd, vbd, VBD, VM, vm->row.ref)
        if (vbd->type != VBD_TYPE_CD)
            add_disk(db, ctx, w, vbd->VDI);
    add_disk(db, ctx, w, vm->suspend_VDI);
}

void vm_whole_list(struct db *db, void *ctx, const struct vm *vm, bool snapshots, struct vm_whole *ret)
{
    *ret = (struct vm_whole){0};
    add_vm(db, ctx, ret, vm);
    if (snapshots)
        FOREACH_REFERRER (db, vm, snapshot, VM, SNAPSHOT_OF, vm->row.ref)
            add_vm(db, ctx, ret, snapshot);
}

bool vm_whole_shares(struct db *db, const struct vm_whole *w, struct ref vdi)
{
    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, vdi)
        if (!has(w->vms, w->n_vms, vbd->VM))
            return true;
    return false;
}

/* ---- removing ---- */

/* Those that could be doomed; a disk that could not is left, as a row. */
static struct vdi_doomed *co_doom(struct xapid *x, void *mem, const struct vm_whole *w, unsigned *ret_n)
{
    struct vdi_doomed *doomed = talloc_zero_array(mem, struct vdi_doomed, w->n_disks + 1);

    *ret_n = 0;
    for (unsigned i = 0; i < w->n_disks; i++) {
        CLEANUP_ERR struct err ignored = {0};
        if (!vm_whole_shares(x->db, w, w->disks[i]) &&
            co_vdi_doom(x, w->disks[i], &doomed[*ret_n], &ignored) == 0)
            (*ret_n)++;
    }
    return doomed;
}

static int delete_rows(struct xapid *x, const struct vm_whole *w, const struct vdi_doomed *doomed, unsigned n,
                       struct err *e)
{
    struct txn *t = db_begin(x->db);

    for (unsigned i = 0; i < w->n_vms; i++) {
        const struct vm *vm = db_vm(x->db, w->vms[i]);
        if (vm)
            vm_delete_rows(t, vm);
    }
    for (unsigned i = 0; i < n; i++)
        vdi_doomed_delete_row(t, &doomed[i]);
    return db_commit(t, e);
}

static int co_remove(struct xapid *x, void *mem, const struct vm *vm, struct err *e)
{
    struct vm_whole whole;
    unsigned n;

    vm_whole_list(x->db, mem, vm, true, &whole);
    struct vdi_doomed *doomed = co_doom(x, mem, &whole, &n);
    int rc = delete_rows(x, &whole, doomed, n, e);
    for (unsigned i = 0; i < n; i++)
        if (rc == 0)
            co_vdi_bury(x, &doomed[i]);
        else
            vdi_spare(x, &doomed[i]);
    return rc;
}

int co_vm_whole_remove(struct xapid *x, struct ref ref, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct vm *vm = db_vm(x->db, ref);

    if (!vm)
        return 0;
    fiber_mask_cancel();
    int rc = co_remove(x, mem, vm, e);
    fiber_unmask_cancel();
    return rc;
}
