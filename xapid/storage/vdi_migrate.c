/*
 * VDI.pool_migrate: a disk goes to another SR, and all that means it means it there. One that no guest has is
 * copied. One that a guest writes to is mirrored to its new place by the guest's host until both are alike;
 * then the guest stands still for a moment, the record decides, made durable, with which of the two it goes
 * on, and the host is told. What either keeps while the other is out of reach is settled by that
 * (xapid/host/adopt.c).
 */
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/move_disks.h"
#include "xapid/vm/record.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/stop.h"
#include "xapid/vm/vm.h"

/* ---- one that no guest has ---- */

static int co_copy_and_record(struct call *c, struct moving_disks *d, struct undo *u, struct ref *ret,
                              struct err *e)
{
    if (co_move_disks_hold(c, d, e) < 0 || co_move_disks_copy(c, d, u, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    move_disks_record(t, d);
    *ret = d->v[0].made;
    if (db_commit(t, e) < 0)
        return -1;
    move_disks_recorded(d);
    return 0;
}

static int co_migrate_down(struct call *c, struct moving_disks *disks, struct ref *ret, struct err *e)
{
    struct undo undo = {0};
    int rc = co_copy_and_record(c, disks, &undo, ret, e);

    if (rc < 0) {
        co_undo_run(&undo);
    } else {
        undo_disarm(&undo);
        co_move_disks_bury(disks);
    }
    return rc;
}

/* ---- one that a guest has ---- */

struct relocation {
    struct call *c;
    struct moving_disks *disks;
    struct ref vm, host;
    char uuid[UUID_TEXT_SIZE]; /* of the VM */
    struct agent *agent;
    struct agent_disk from, to; /* the drive with either */
    bool held;
};

static void show_progress(double done, void *arg)
{
    call_progress(arg, 0.05 + 0.9 * done);
}

/* A guest that could not be told goes on once its host is taken over again. */
static int co_let_go(struct relocation *r)
{
    CLEANUP_ERR struct err e = {0};

    if (!r->held || co_agent_vm_unpause(r->agent, r->uuid, &e) == 0)
        return 0;
    log_warning("VM %s stands still after a move of its disk: %s", r->uuid, err_text(r->c->mem, &e));
    return -EIO;
}

/* The way back. arg: a pointer to a relocation that outlives the undo list. */
static int co_stay(void *arg)
{
    struct relocation *r = *(struct relocation **)arg;
    CLEANUP_ERR struct err e = {0};
    int rc = co_agent_vm_settle_disk(r->agent, r->uuid, &r->from, &e);

    return co_let_go(r) < 0 || rc < 0 ? -EIO : 0;
}

static int describe(struct relocation *r, struct err *e)
{
    const struct moving_disk *m = &r->disks->v[0];
    const struct vm *vm = (const struct vm *)call_row(r->c, CLASS_VM, r->vm, e);
    const struct vbd *vbd = (const struct vbd *)call_row(r->c, CLASS_VBD, m->vbd, e);

    if (!vm || !vbd || vm_describe_disk(r->c->x, r->c->mem, vm, vbd, r->host, &r->from, e) < 0)
        return -1;
    r->to = r->from;
    r->to.sr = m->to.sm;
    r->to.location = m->sm.location;
    return 0;
}

/* Up to where both are alike, and on the disk, and the guest stands still. */
static int co_make_alike(struct relocation *r, struct undo *u, struct err *e)
{
    struct call *c = r->c;

    if (co_move_disks_hold(c, r->disks, e) < 0 || co_move_disks_make(c, r->disks, r->host, u, e) < 0 ||
        describe(r, e) < 0)
        return -1;
    undo_push(u, "let the guest keep its disk", co_stay, &r, sizeof(struct relocation *));
    if (co_agent_vm_mirror_disk(r->agent, r->uuid, &r->to, show_progress, c, e) < 0)
        return -1;
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, r->vm, e);
    if (!vm)
        return -1;
    r->held = vm->power_state == VM_POWER_STATE_RUNNING;
    if (r->held && co_agent_vm_hold(r->agent, r->uuid, e) < 0)
        return -1;
    return co_agent_vm_mirror_disk(r->agent, r->uuid, &r->to, show_progress, c, e);
}

static int record(struct relocation *r, struct ref *ret, struct err *e)
{
    if (!call_row(r->c, CLASS_VM, r->vm, e) || !call_row(r->c, CLASS_SR, r->disks->v[0].sr, e))
        return -1;
    struct txn *t = db_begin(r->c->db);
    move_disks_record(t, r->disks);
    *ret = r->disks->v[0].made;
    if (db_commit(t, e) < 0)
        return -1;
    move_disks_recorded(r->disks);
    return 0;
}

enum { SETTLE_TRIES = 5, SETTLE_RETRY_MS = 200 };

/* From the record on it only goes forward. A guest that has ended had written all to both. */
static bool co_go_over(struct relocation *r)
{
    CLEANUP_ERR struct err e = {0};
    int rc = co_agent_vm_settle_disk(r->agent, r->uuid, &r->to, &e);

    for (unsigned i = 1; rc < 0 && i < SETTLE_TRIES && !err_is(&e, "VM_BAD_POWER_STATE"); i++) {
        err_clear(&e);
        co_sleep_until(clock_in_ms(SETTLE_RETRY_MS), "another attempt to give VM %s its disk", r->uuid);
        rc = co_agent_vm_settle_disk(r->agent, r->uuid, &r->to, &e);
    }
    if (rc == 0 || err_is(&e, "VM_BAD_POWER_STATE"))
        return true;
    log_warning("VM %s stands still until its host is taken over again, to get its disk: %s", r->uuid,
                err_text(r->c->mem, &e));
    return false;
}

static void co_finish(struct relocation *r)
{
    fiber_mask_cancel();
    co_record_durable(r->c->x);
    if (co_go_over(r)) {
        co_let_go(r);
        co_move_disks_bury(r->disks);
    } else {
        vdi_leave_doomed(&r->disks->v[0].old);
        co_vdi_made(r->c->x, r->disks->v[0].sm.uuid);
    }
    fiber_unmask_cancel();
}

static int co_migrate_live(struct relocation *r, struct ref *ret, struct err *e)
{
    struct undo undo = {0};

    r->agent = host_agent(r->c->x, r->host, e);
    if (!r->agent)
        return -1;
    if (co_make_alike(r, &undo, e) < 0 || record(r, ret, e) < 0) {
        co_undo_run(&undo);
        vm_name_in_error(r->c, r->vm, e);
        return -1;
    }
    undo_disarm(&undo);
    co_finish(r);
    return 0;
}

/* ---- which of them it is ---- */

/* The drive through which a guest has the disk, which must be the only one; NULL when there is none. */
static int find_drive(struct db *db, struct ref vdi, const struct vbd **ret, struct err *e)
{
    *ret = NULL;
    FOREACH_REFERRER (db, vbd, vbd, VBD, VDI, vdi) {
        const struct vm *vm = db_vm(db, vbd->VM);
        bool up = vm_is_up(vm);
        if (!vbd->currently_attached)
            continue;
        if (*ret || !up || vbd->mode != VBD_MODE_RW)
            return err_vdi_in_use(e, REF_TEXT(vdi), "mirror");
        *ret = vbd;
    }
    return 0;
}

/* The same, and its VM is held. */
static int co_take_drive(struct call *c, struct ref vdi, struct op *op, const struct vbd **ret, struct err *e)
{
    while (find_drive(c->db, vdi, ret, e) == 0) {
        if (!*ret)
            return 0;
        struct ref vm = (*ret)->VM;
        if (map_count(db_vm(c->db, vm)->current_operations) == 0) {
            op_mark(c->db, CLASS_VM, vm, VM_OPERATIONS_MIGRATE_SEND, c->task, op);
            return 0;
        }
        if (co_op_wait_others(CLASS_VM, vm, UINT64_MAX, NULL) < 0)
            return err_task_cancelled(e, REF_TEXT(c->task));
        if (!call_row(c, CLASS_VDI, vdi, e))
            return -1;
    }
    return -1;
}

static int co_migrate(struct call *c, struct moving_disks *disks, struct ref *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct moving_disk *m = &disks->v[0];
    const struct vbd *vbd;

    if (co_take_drive(c, m->source, &op, &vbd, e) < 0)
        return -1;
    if (!vbd)
        return co_migrate_down(c, disks, ret, e);
    const struct vm *vm = db_vm(c->db, vbd->VM);
    struct relocation r = {.c = c, .disks = disks, .vm = vbd->VM, .host = vm->resident_on};
    memcpy(r.uuid, vm->uuid, sizeof r.uuid);
    m->vbd = vbd->row.ref;
    m->mirrored = true;
    if (!sr_is_attached_at(c->db, m->sr, r.host))
        return err_vm_requires_sr(e, REF_TEXT(r.vm), REF_TEXT(m->sr));
    int rc = co_migrate_live(&r, ret, e);
    co_lifecycle_look_again(c->x, r.vm);
    return rc;
}

int co_vdi_pool_migrate(struct call *c, const struct vdi_pool_migrate_args *a, union value *ret,
                        struct err *e)
{
    struct moving_disk disk = {.source = a->vdi, .sr = a->sr};
    struct moving_disks disks = {.x = c->x, .v = &disk, .n = 1};
    const struct vdi *vdi = (const struct vdi *)call_row(c, CLASS_VDI, a->vdi, e);

    if (!vdi || !call_row(c, CLASS_SR, a->sr, e))
        return -1;
    if (op_check(c->db, &vdi->row, VDI_OPERATIONS_MIRROR, e) < 0)
        return -1;
    ret->r = a->vdi;
    if (ref_equal(vdi->SR, a->sr))
        return 0;
    if (move_disk_check(c->x, vdi, a->sr, e) < 0)
        return -1;
    int rc = co_migrate(c, &disks, &ret->r, e);
    move_disks_release(&disks);
    return rc;
}
