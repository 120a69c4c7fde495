/* VM.pause, VM.unpause: the guest's processors stand still and go on. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/field.h"
#include "xapid/op.h"
#include "xapid/vm/record.h"

static int record(struct call *c, struct ref vm, enum vm_power_state state, struct err *e)
{
    return call_set_field(c, CLASS_VM, vm, VM_F_POWER_STATE, (union value){.i = state}, e);
}

int co_vm_pause(struct call *c, const struct vm_pause_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_PAUSE, &op, e) < 0)
        return -1;
    if (co_agent_vm_pause(c->x->agent, talloc_strdup(c->mem, db_vm(c->db, a->vm)->uuid), e) < 0)
        return -1;
    return record(c, a->vm, VM_POWER_STATE_PAUSED, e);
}

int co_vm_unpause(struct call *c, const struct vm_unpause_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_UNPAUSE, &op, e) < 0)
        return -1;
    if (co_agent_vm_unpause(c->x->agent, talloc_strdup(c->mem, db_vm(c->db, a->vm)->uuid), e) < 0)
        return -1;
    return record(c, a->vm, VM_POWER_STATE_RUNNING, e);
}
