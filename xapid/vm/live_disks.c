#include "xapid/vm/live_disks.h"
#include <string.h>
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/storage/sr.h"
#include "xapid/vm/record.h"
#include "xapid/vm/vm.h"

int co_live_hold(struct call *c, struct ref ref, bool *ret_held, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    *ret_held = false;
    if (!vm)
        return -1;
    if (vm->power_state != VM_POWER_STATE_RUNNING)
        return 0;
    struct agent *agent = vm_agent(c->x, ref, e);
    if (!agent || co_agent_vm_hold(agent, talloc_strdup(c->mem, vm->uuid), e) < 0)
        return -1;
    *ret_held = true;
    return 0;
}

void co_live_let_go(struct call *c, struct ref ref)
{
    const struct vm *vm = db_vm(c->db, ref);
    const char *uuid = vm ? talloc_strdup(c->mem, vm->uuid) : NULL;
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = vm ? vm_agent(c->x, ref, &e) : NULL;

    fiber_mask_cancel();
    if (uuid && (!agent || co_agent_vm_unpause(agent, uuid, &e) < 0)) {
        log_warning("VM %s stands still after a snapshot: %s", uuid, err_text(c->mem, &e));
        co_vm_record_truth(c, ref);
    }
    fiber_unmask_cancel();
}

/* The drive through which a guest writes to the disk; NULL when none does. */
static const struct vbd *find_writer(struct call *c, struct ref vdi)
{
    FOREACH_REFERRER (c->db, vbd, vbd, VBD, VDI, vdi)
        if (vbd->currently_attached && vbd->mode == VBD_MODE_RW && vm_is_up(db_vm(c->db, vbd->VM)))
            return vbd;
    return NULL;
}

struct ref live_writer(struct call *c, struct ref vdi)
{
    const struct vbd *vbd = find_writer(c, vdi);

    return vbd ? vbd->VM : REF_NULL;
}

static int check_sole(struct call *c, struct ref vm, struct ref vdi, struct err *e)
{
    FOREACH_REFERRER (c->db, vbd, vbd, VBD, VDI, vdi)
        if (vbd->currently_attached && vbd->mode == VBD_MODE_RW && !ref_equal(vbd->VM, vm) &&
            vm_is_up(db_vm(c->db, vbd->VM)))
            return err_vdi_in_use(e, REF_TEXT(vdi), "snapshot");
    return 0;
}

int co_live_follow(struct call *c, struct ref vm, struct ref ref, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, ref, e);
    const struct vbd *vbd = vdi ? find_writer(c, ref) : NULL;
    struct agent_disk disk = {0};
    struct sr_handle h;

    if (!vdi || check_sole(c, vm, ref, e) < 0)
        return -1;
    if (!vbd)
        return 0;
    struct agent *agent = vm_agent(c->x, vbd->VM, e);
    if (!agent || sr_open_at(c->x, c->mem, vdi->SR, db_vm(c->db, vbd->VM)->resident_on, &h, e) < 0)
        return -1;
    memcpy(disk.vbd_uuid, vbd->uuid, sizeof disk.vbd_uuid);
    disk.userdevice = (unsigned)device_number(vbd->userdevice);
    disk.sr = h.sm;
    disk.location = talloc_strdup(c->mem, text_of(vdi->location));
    return co_agent_vm_follow(agent, talloc_strdup(c->mem, db_vm(c->db, vbd->VM)->uuid), &disk, e);
}
