/* Crash dumps, and crashdump.destroy. */
#include "xapid/vm/crash.h"
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/image.h"

/* ---- what is kept ---- */

static struct ref vdi_of(struct call *c, struct ref dump)
{
    const struct crashdump *d = db_crashdump(c->db, dump);
    return d ? d->VDI : REF_NULL;
}

static int delete_row(struct call *c, struct ref ref, struct err *e)
{
    const struct crashdump *d = db_crashdump(c->db, ref);

    if (!d)
        return 0;
    struct txn *t = db_begin(c->db);
    db_delete(t, &d->row);
    return db_commit(t, e);
}

/* The disk goes first: a dump's row without one says nothing wrong, and goes with it (vdi_delete_row). */
static int co_destroy(struct call *c, struct ref dump, struct err *e)
{
    struct ref vdi = vdi_of(c, dump);

    if (db_vdi(c->db, vdi) && co_vdi_destroy(c, &(struct vdi_destroy_args){.self = vdi}, e) < 0)
        return -1;
    return delete_row(c, dump, e);
}

int co_crashdump_destroy(struct call *c, const struct crashdump_destroy_args *a, struct err *e)
{
    return call_row(c, CLASS_CRASHDUMP, a->self, e) ? co_destroy(c, a->self, e) : -1;
}

static int64_t time_of(struct db *db, const struct crashdump *d)
{
    const struct vdi *vdi = db_vdi(db, d->VDI);
    return vdi ? vdi->snapshot_time : 0;
}

/* The VM's oldest dump, and how many it has. */
static struct ref oldest(struct call *c, struct ref vm, unsigned *ret_n)
{
    struct ref ref = REF_NULL;
    int64_t when = INT64_MAX;

    *ret_n = 0;
    FOREACH_REFERRER (c->db, crashdump, d, CRASHDUMP, VM, vm) {
        ++*ret_n;
        if (time_of(c->db, d) < when) {
            when = time_of(c->db, d);
            ref = d->row.ref;
        }
    }
    return ref;
}

/* Make room for one more. */
static int co_drop_oldest(struct call *c, struct ref vm, struct err *e)
{
    unsigned n;

    for (struct ref ref = oldest(c, vm, &n); n >= CRASH_DUMPS_KEPT; ref = oldest(c, vm, &n))
        if (co_destroy(c, ref, e) < 0)
            return -1;
    return 0;
}

/* ---- a new one ---- */

static int choose_sr(struct call *c, const struct vm *vm, struct ref *ret, struct err *e)
{
    const struct host *host = db_host(c->db, vm->resident_on);
    const struct pool *pool = (const struct pool *)db_first(c->db, CLASS_POOL);
    struct ref choices[] = {host ? host->crash_dump_sr : REF_NULL, pool ? pool->crash_dump_SR : REF_NULL};

    for (unsigned i = 0; i < sizeof choices / sizeof *choices; i++)
        if (db_sr(c->db, choices[i]) && sr_is_attached_at(c->db, choices[i], vm->resident_on)) {
            *ret = choices[i];
            return 0;
        }
    return err_vm_no_crashdump_sr(e, REF_TEXT(vm->row.ref));
}

static int record(struct call *c, struct ref ref, const struct sr_handle *h, const struct sm_vdi *sm,
                  struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    char *description = talloc_asprintf(c->mem, "Memory of VM '%s' when it crashed", text_of(vm->name_label));
    struct txn *t = db_begin(c->db);
    const struct vdi *vdi = vdi_record(t, h->ref, sm, &(struct vdi_names){"Crash dump", description});
    const struct crashdump *d = crashdump_create(t);
    vdi_set_type(t, vdi, VDI_TYPE_CRASHDUMP);
    vdi_set_snapshot_time(t, vdi, clock_wall());
    crashdump_set_vm(t, d, vm->row.ref);
    crashdump_set_vdi(t, d, vdi->row.ref);
    return db_commit(t, e);
}

static int co_write(struct call *c, struct ref ref, const struct sr_handle *h, struct undo *u,
                    struct sm_vdi *sm, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    const char *uuid = vm ? talloc_strdup(c->mem, vm->uuid) : NULL;
    struct agent_image image;

    if (!vm || co_image_make(c, vm, h, u, sm, e) < 0)
        return -1;
    image_of_storage(h, sm, &image);
    if (co_agent_vm_dump(h->agent, uuid, &image, NULL, NULL, e) < 0)
        return -1;
    return record(c, ref, h, sm, e);
}

int co_crash_dump(struct call *c, struct ref ref, struct err *e)
{
    CLEANUP_OP struct op sr_op = {0};
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct ref host = vm ? vm->resident_on : REF_NULL, sr;
    struct undo undo = {0};
    struct sr_handle h;
    struct sm_vdi sm;

    if (!vm || choose_sr(c, vm, &sr, e) < 0 || co_drop_oldest(c, ref, e) < 0 ||
        co_op_begin(c, CLASS_SR, sr, STORAGE_OPERATIONS_VDI_CREATE, &sr_op, e) < 0 ||
        sr_open_at(c->x, c->mem, sr, host, &h, e) < 0)
        return -1;
    if (co_write(c, ref, &h, &undo, &sm, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_vdi_made(c->x, sm.uuid);
    return 0;
}
