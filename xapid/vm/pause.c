/* VM.pause, VM.unpause: the guest's processors stand still and go on. */
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/handlers.gen.h"
#include "xapid/field.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/vm/record.h"

typedef int co_agent_verb(struct agent *a, const char *uuid, struct err *e);

/* Do it and record it; when that cannot be recorded, take it back. */
static int co_change(struct call *c, struct ref ref, co_agent_verb *co_do, co_agent_verb *co_undo,
                     enum vm_power_state state, struct err *e)
{
    const char *uuid = talloc_strdup(c->mem, db_vm(c->db, ref)->uuid);
    struct agent *agent = vm_agent(c->x, ref, e);
    CLEANUP_ERR struct err second = {0};

    if (!agent)
        return -1;
    if (co_do(agent, uuid, e) < 0) {
        co_vm_record_truth(c, ref);
        return -1;
    }
    if (call_set_field(c, CLASS_VM, ref, VM_F_POWER_STATE, (union value){.i = state}, e) == 0)
        return 0;
    fiber_mask_cancel();
    if (co_undo(agent, uuid, &second) < 0)
        log_warning("VM %s is not in the power state that is recorded: %s", uuid, second.code);
    fiber_unmask_cancel();
    return -1;
}

int co_vm_pause(struct call *c, const struct vm_pause_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_PAUSE, &op, e) < 0)
        return -1;
    return co_change(c, a->vm, co_agent_vm_pause, co_agent_vm_unpause, VM_POWER_STATE_PAUSED, e);
}

int co_vm_unpause(struct call *c, const struct vm_unpause_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_UNPAUSE, &op, e) < 0)
        return -1;
    return co_change(c, a->vm, co_agent_vm_unpause, co_agent_vm_pause, VM_POWER_STATE_RUNNING, e);
}
