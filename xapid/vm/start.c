/*
 * VM.start and VM.start_on: the example to imitate for an operation that changes a guest.
 *
 * 1. Declare it (co_op_begin), which checks the rules and waits for whatever is in the way. From here on
 * nobody else starts, changes or removes the VM, though rows may change at each wait.
 * 2. Plan on the rows without yielding (vm_build_spec).
 * 3. Ask the agent. It leaves nothing behind when it fails.
 * 4. Record what happened in one transaction: the commit point. If that fails, the undo list takes the guest
 * away.
 */
#include "xapid/vm/start.h"
#include <errno.h>
#include <talloc.h>
#include "lib/log.h"
#include "lib/undo.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/record.h"
#include "xapid/vm/spec.h"

/* ---- the drives: held while they are being attached, so that nobody clones or removes their disks ---- */

struct held_drives {
    struct op *ops;
    unsigned n;
};

static void release_drives(struct held_drives *h)
{
    for (unsigned i = 0; i < h->n; i++)
        op_end(&h->ops[i]);
}

static int co_hold_drives(struct call *c, struct ref vm, struct held_drives *h, struct err *e)
{
    const struct set *vbds = db_referrers(c->db, c->mem, CLASS_VBD, VBD_F_VM, vm);

    h->ops = talloc_zero_array(c->mem, struct op, set_count(vbds) + 1);
    for (uint32_t i = 0; i < set_count(vbds); i++) {
        if (!db_vbd(c->db, vbds->v[i].r))
            continue;
        if (co_op_begin(c, CLASS_VBD, vbds->v[i].r, VBD_OPERATIONS_ATTACH, &h->ops[h->n], e) < 0)
            return -1;
        h->n++;
    }
    return 0;
}

/* ---- the start ---- */

struct started {
    struct xapid *x;
    char uuid[UUID_TEXT_SIZE];
};

static int co_stop_again(void *arg)
{
    const struct started *s = arg;
    CLEANUP_ERR struct err e = {0};
    return co_agent_vm_stop(s->x->agent, s->uuid, &e) < 0 ? -EIO : 0;
}

/* The commit point: the guest is up, and now everybody may know. */
static int record(struct call *c, struct ref ref, const struct hv_vm_facts *facts, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_started(t, c->x, vm, facts);
    vm_post_message(t, vm, "VM_STARTED");
    return db_commit(t, e);
}

/* On this host; the operation is declared and the drives are held. */
static int co_start_guest(struct call *c, struct ref ref, const struct vm_start_options *o, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    struct agent_vm_spec spec;
    struct hv_vm_facts facts = {0};
    struct undo undo = {0};

    if (!vm || vm_assert_can_boot_here(c->x, vm, c->x->host, o->force, e) < 0)
        return -1;
    if (vm_build_spec(c->x, c->mem, vm, vm_next_domid(c->x), o, &spec, e) < 0)
        return -1;
    if (co_agent_vm_start(c->x->agent, &spec, &facts, e) < 0)
        return -1;
    struct started started = {.x = c->x};
    memcpy(started.uuid, spec.vm.uuid, sizeof started.uuid);
    undo_push(&undo, "stop the guest", co_stop_again, &started, sizeof started);
    if (record(c, ref, &facts, e) < 0) {
        co_undo_run(&undo);
        return -1;
    }
    undo_disarm(&undo);
    return 0;
}

int co_vm_start_here(struct call *c, struct ref ref, const struct vm_start_options *o, struct err *e)
{
    CLEANUP(release_drives) struct held_drives drives = {0};
    CLEANUP_OP struct op host_op = {0};

    if (co_op_begin(c, CLASS_HOST, c->x->host, HOST_ALLOWED_OPERATIONS_VM_START, &host_op, e) < 0 ||
        co_hold_drives(c, ref, &drives, e) < 0)
        return -1;
    return co_start_guest(c, ref, o, e);
}

static int co_start(struct call *c, struct ref ref, int operation, const struct vm_start_options *o,
                    struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, ref, operation, &op, e) < 0)
        return -1;
    if (co_vm_start_here(c, ref, o, e) < 0)
        return -1;
    lifecycle_look_again(c->x, ref);
    return 0;
}

int co_vm_start(struct call *c, const struct vm_start_args *a, struct err *e)
{
    struct vm_start_options o = {.paused = a->start_paused, .force = a->force};
    return co_start(c, a->vm, VM_OPERATIONS_START, &o, e);
}

int co_vm_start_on(struct call *c, const struct vm_start_on_args *a, struct err *e)
{
    struct vm_start_options o = {.paused = a->start_paused, .force = a->force};

    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    if (!ref_equal(a->host, c->x->host))
        return err_host_offline(e, REF_TEXT(a->host));
    return co_start(c, a->vm, VM_OPERATIONS_START_ON, &o, e);
}
