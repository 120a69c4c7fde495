/* VM.clean_reboot, VM.hard_reboot: the guest starts anew, its domain stays. */
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/vm/record.h"
#include "xapid/vm/stop.h"

#define REBOOT_LIMIT_MS (20 * 60 * 1000)

static int record(struct call *c, struct ref ref, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, ref, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(c->db);
    vm_record_rebooted(t, vm, clock_wall());
    vm_set_power_state(t, vm, VM_POWER_STATE_RUNNING);
    vm_post_message(t, vm, "VM_REBOOTED");
    return db_commit(t, e);
}

int co_vm_clean_reboot(struct call *c, const struct vm_clean_reboot_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_CLEAN_REBOOT, &op, e) < 0 ||
        co_vm_wait_moved(c, a->vm, &op, e) < 0)
        return -1;
    const char *uuid = talloc_strdup(c->mem, db_vm(c->db, a->vm)->uuid);
    struct agent *agent = vm_agent(c->x, a->vm, e);
    if (!agent)
        return -1;
    if (co_agent_vm_reboot(agent, uuid, clock_in_ms(REBOOT_LIMIT_MS), e) < 0) {
        vm_name_in_error(c, a->vm, e);
        return -1;
    }
    return record(c, a->vm, e);
}

int co_vm_hard_reboot(struct call *c, const struct vm_hard_reboot_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_HARD_REBOOT, &op, e) < 0)
        return -1;
    const char *uuid = talloc_strdup(c->mem, db_vm(c->db, a->vm)->uuid);
    bool paused = db_vm(c->db, a->vm)->power_state == VM_POWER_STATE_PAUSED;
    struct agent *agent = vm_agent(c->x, a->vm, e);
    if (!agent || co_agent_vm_reset(agent, uuid, e) < 0)
        return -1;
    if (paused && co_agent_vm_unpause(agent, uuid, e) < 0)
        return -1;
    return record(c, a->vm, e);
}
