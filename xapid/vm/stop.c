/* VM.clean_shutdown, VM.hard_shutdown, VM.shutdown. */
#include "xapid/vm/stop.h"
#include <errno.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/image.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/record.h"

/* How long a guest may take to shut down. */
#define SHUTDOWN_LIMIT_MS (20 * 60 * 1000)

void vm_name_in_error(struct call *c, struct ref ref, struct err *e)
{
    const struct vm *vm = db_vm(c->db, ref);

    if (!vm || e->n_params == 0 || strcmp(e->params[0], vm->uuid) != 0)
        return;
    free(e->params[0]);
    e->params[0] = mem_strdup(REF_TEXT(ref));
}

/* The guest is gone: say so. Where that cannot be written now it is tried again once the operation has ended.
 */
static int record(struct call *c, struct ref ref, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_stopped(t, vm);
    vm_post_message(t, vm, "VM_SHUTDOWN");
    if (db_commit(t, e) == 0)
        return 0;
    lifecycle_guest_gone(c->x, vm->resident_on, vm->uuid, HV_STOP_REQUESTED);
    return -1;
}

static const char *uuid_of(struct call *c, struct ref ref)
{
    return talloc_strdup(c->mem, db_vm(c->db, ref)->uuid);
}

/* A VM that is suspended has no guest and is nowhere; what may be left of one is here. */
static int co_end_guest(struct call *c, struct ref ref, const char *uuid, struct err *e)
{
    struct ref host = db_vm(c->db, ref)->resident_on;
    struct agent *agent = host_agent(c->x, ref_is_null(host) ? c->x->host : host, e);

    return agent ? co_agent_vm_stop(agent, uuid, e) : -1;
}

/* Nothing can be left half done here, so once begun a hard shutdown is seen through. */
static int co_stop(struct call *c, struct ref ref, const char *uuid, struct err *e)
{
    fiber_mask_cancel();
    int rc = co_end_guest(c, ref, uuid, e);
    if (rc == 0)
        rc = record(c, ref, e);
    if (rc == 0)
        co_image_forget(c->x, ref); /* of one that was suspended */
    fiber_unmask_cancel();
    return rc;
}

int co_vm_stop_hard(struct call *c, struct ref ref, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, ref, VM_OPERATIONS_HARD_SHUTDOWN, &op, e) < 0)
        return -1;
    /* It is allowed beside everything, and ends what else goes on with the guest. */
    crossing_give_up(c->x, ref);
    op_cancel_others(CLASS_VM, ref, lifecycle_operations() & ~OP_BIT(VM_OPERATIONS_HARD_SHUTDOWN), &op);
    if (co_op_wait_others(CLASS_VM, ref, lifecycle_operations(), &op) < 0)
        return err_task_cancelled(e, REF_TEXT(c->task));
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);
    if (!vm)
        return -1;
    return vm->power_state == VM_POWER_STATE_HALTED ? 0 : co_stop(c, ref, uuid_of(c, ref), e);
}

int co_vm_wait_moved(struct call *c, struct ref ref, const struct op *own, struct err *e)
{
    if (co_op_wait_others(CLASS_VM, ref, OP_BIT(VM_OPERATIONS_MIGRATE_SEND), own) < 0)
        return err_task_cancelled(e, REF_TEXT(c->task));
    return call_row(c, CLASS_VM, ref, e) ? 0 : -1;
}

int co_vm_stop_clean(struct call *c, struct ref ref, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, ref, VM_OPERATIONS_CLEAN_SHUTDOWN, &op, e) < 0 ||
        co_vm_wait_moved(c, ref, &op, e) < 0)
        return -1;
    struct agent *agent = vm_agent(c->x, ref, e);
    if (!agent)
        return -1;
    if (co_agent_vm_shutdown(agent, uuid_of(c, ref), clock_in_ms(SHUTDOWN_LIMIT_MS), e) < 0) {
        vm_name_in_error(c, ref, e);
        return -1;
    }
    return record(c, ref, e);
}

int co_vm_hard_shutdown(struct call *c, const struct vm_hard_shutdown_args *a, struct err *e)
{
    return co_vm_stop_hard(c, a->vm, e);
}

int co_vm_clean_shutdown(struct call *c, const struct vm_clean_shutdown_args *a, struct err *e)
{
    return co_vm_stop_clean(c, a->vm, e);
}

/* Cleanly if the guest lets itself be asked, else hard. */
int co_vm_shutdown(struct call *c, const struct vm_shutdown_args *a, struct err *e)
{
    CLEANUP_ERR struct err clean = {0};
    const struct row *vm = call_row(c, CLASS_VM, a->vm, e);

    if (!vm || op_check(c->db, vm, VM_OPERATIONS_HARD_SHUTDOWN, e) < 0)
        return -1;
    if (co_vm_stop_clean(c, a->vm, &clean) == 0)
        return 0;
    if (err_is(&clean, "TASK_CANCELLED") || fiber_cancelled(fiber_self())) {
        err_move(e, &clean);
        return -1;
    }
    return co_vm_stop_hard(c, a->vm, e);
}
