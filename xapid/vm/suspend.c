/*
 * VM.suspend: the guest stands still, its state goes to a disk, then it ends.
 *
 * The record of it is the commit point. It must be on disk before QEMU ends, since until then a daemon that
 * dies leaves a guest that the next one lets go on (xapid/host/adopt.c), and from then on the image is the
 * guest.
 */
#include <errno.h>
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/vm/image.h"
#include "xapid/vm/record.h"
#include "xapid/vm/stop.h"

struct saved {
    struct xapid *x;
    struct ref host;
    char uuid[UUID_TEXT_SIZE];
};

/* The undo step. */
static int co_go_on(void *arg)
{
    const struct saved *s = arg;
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = host_agent(s->x, s->host, &e);

    return !agent || co_agent_vm_unpause(agent, s->uuid, &e) < 0 ? -EIO : 0;
}

static void show_progress(double done, void *arg)
{
    call_progress(arg, 0.05 + 0.85 * done);
}

static int co_save_guest(struct call *c, struct ref ref, const struct sr_handle *h, struct undo *u,
                         struct sm_vdi *sm, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct saved saved = {.x = c->x, .host = h->host};
    struct agent *agent = host_agent(c->x, h->host, e);
    struct agent_image image;

    if (!vm || !agent)
        return -1;
    memcpy(saved.uuid, vm->uuid, sizeof saved.uuid);
    if (co_image_make(c, vm, h, u, sm, e) < 0)
        return -1;
    image_of_storage(h, sm, &image);
    if (co_agent_vm_save(agent, saved.uuid, &image, show_progress, c, e) < 0) {
        vm_name_in_error(c, ref, e);
        return -1;
    }
    undo_push(u, "let the guest go on", co_go_on, &saved, sizeof saved);
    return 0;
}

static int record(struct call *c, struct ref ref, const struct sr_handle *h, const struct sm_vdi *sm,
                  struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    image_record(t, vm, h, sm);
    vm_record_suspended(t, vm);
    vm_post_message(t, vm, "VM_SUSPENDED");
    return db_commit(t, e);
}

/* Once that the VM is suspended is on disk, the guest may go. */
static void co_end_guest(struct call *c, struct ref host, const char *uuid)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    co_record_durable(c->x);
    struct agent *agent = host_agent(c->x, host, &e);
    if (!agent || co_agent_vm_stop(agent, uuid, &e) < 0)
        log_warning("ending guest %s, which is suspended: %s", uuid, err_text(c->mem, &e));
    fiber_unmask_cancel();
}

static int co_suspend(struct call *c, struct ref ref, struct ref sr, struct err *e)
{
    char *uuid = talloc_strdup(c->mem, db_vm(c->db, ref)->uuid);
    struct ref host = db_vm(c->db, ref)->resident_on;
    struct undo undo = {0};
    struct sr_handle h;
    struct sm_vdi sm;

    co_image_forget(c->x, ref); /* one that could not be removed before */
    if (sr_open_at(c->x, c->mem, sr, host, &h, e) < 0)
        return -1;
    if (co_save_guest(c, ref, &h, &undo, &sm, e) < 0 || record(c, ref, &h, &sm, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    co_end_guest(c, host, uuid);
    co_vdi_made(c->x, sm.uuid);
    return 0;
}

int co_vm_suspend(struct call *c, const struct vm_suspend_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    CLEANUP_OP struct op sr_op = {0};
    struct ref sr;

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_SUSPEND, &op, e) < 0 ||
        image_choose_sr(c, db_vm(c->db, a->vm), &sr, e) < 0 ||
        co_op_begin(c, CLASS_SR, sr, STORAGE_OPERATIONS_VDI_CREATE, &sr_op, e) < 0)
        return -1;
    return co_suspend(c, a->vm, sr, e);
}
