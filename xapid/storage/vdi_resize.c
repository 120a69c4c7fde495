/* VDI.resize, VDI.resize_online: make a disk larger. */
#include <talloc.h>
#include "sm/sm.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/vdi.h"
#include "xapid/vm/spec.h"

/* The disk is now this large; its SR promises that much more. */
static int record(struct call *c, struct ref ref, int64_t size, int64_t utilisation, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, ref, e);
    const struct sr *sr = vdi ? db_sr(c->db, vdi->SR) : NULL;

    if (!vdi)
        return -1;
    struct txn *t = db_begin(c->db);
    if (sr)
        sr_set_virtual_allocation(t, sr, sr->virtual_allocation + size - vdi->virtual_size);
    vdi_set_virtual_size(t, vdi, size);
    vdi_set_physical_utilisation(t, vdi, utilisation);
    return db_commit(t, e);
}

/* A disk that no guest has. */
static int co_grow(struct call *c, struct ref ref, int64_t size, struct err *e)
{
    const struct vdi *vdi = db_vdi(c->db, ref);
    const char *location = talloc_strdup(c->mem, vdi->location);
    struct sr_handle h;
    struct sm_vdi sm;

    if (sr_open(c->x, c->mem, vdi->SR, &h, e) < 0 ||
        co_agent_vdi_resize(h.agent, &h.sm, c->mem, location, size, &sm, e) < 0)
        return -1;
    return record(c, ref, sm.virtual_size, sm.physical_utilisation, e);
}

/* The one drive in which a guest has the disk; NULL when there is none. Two guests that share a disk would
 * not both hear of it: *ret_shared. */
static const struct vbd *find_drive(struct db *db, struct ref vdi, bool *ret_shared)
{
    const struct vbd *found = NULL;

    *ret_shared = false;
    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, vdi) {
        if (!vbd->currently_attached)
            continue;
        *ret_shared = found != NULL;
        found = vbd;
    }
    return found;
}

/* A disk that a guest may have: then its hypervisor resizes it and tells the guest. */
static int co_grow_online(struct call *c, struct ref ref, int64_t size, struct err *e)
{
    bool shared;
    const struct vbd *vbd = find_drive(c->db, ref, &shared);
    const struct vm *vm = vbd ? db_vm(c->db, vbd->VM) : NULL;
    struct agent_disk disk;

    if (!vm)
        return co_grow(c, ref, size, e);
    if (sm_disk_size(size, &size, e) < 0)
        return -1;
    if (shared)
        return err_operation_not_allowed(e, "A disk that several guests have cannot be resized");
    const char *uuid = talloc_strdup(c->mem, vm->uuid);
    int64_t utilisation = db_vdi(c->db, ref)->physical_utilisation;
    struct agent *agent = vm_agent(c->x, vm->row.ref, e);
    if (!agent || vm_describe_disk(c->x, c->mem, vm, vbd, vm->resident_on, &disk, e) < 0)
        return -1;
    if (disk.readonly)
        return err_vdi_readonly(e, REF_TEXT(ref));
    return co_agent_resize(agent, uuid, &disk, size, e) < 0 ? -1 : record(c, ref, size, utilisation, e);
}

static int co_resize(struct call *c, struct ref ref, int operation, int64_t size, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op sr_op = {0};
    char minimum[32];

    if (co_op_begin(c, CLASS_VDI, ref, operation, &op, e) < 0)
        return -1;
    const struct vdi *vdi = db_vdi(c->db, ref);
    snprintf(minimum, sizeof minimum, "%lld", (long long)vdi->virtual_size);
    if (vdi->read_only)
        return err_vdi_readonly(e, REF_TEXT(ref));
    if (size < vdi->virtual_size)
        return err_vdi_too_small(e, REF_TEXT(ref), minimum);
    if (co_op_begin(c, CLASS_SR, vdi->SR, STORAGE_OPERATIONS_VDI_RESIZE, &sr_op, e) < 0)
        return -1;
    return operation == VDI_OPERATIONS_RESIZE ? co_grow(c, ref, size, e) : co_grow_online(c, ref, size, e);
}

int co_vdi_resize(struct call *c, const struct vdi_resize_args *a, struct err *e)
{
    return co_resize(c, a->vdi, VDI_OPERATIONS_RESIZE, a->size, e);
}

int co_vdi_resize_online(struct call *c, const struct vdi_resize_online_args *a, struct err *e)
{
    return co_resize(c, a->vdi, VDI_OPERATIONS_RESIZE_ONLINE, a->size, e);
}
