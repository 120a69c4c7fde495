/* VM.send_trigger, VM.send_sysrq: buttons and keys of a guest's machine. */
#include <ctype.h>
#include <string.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/vm/stop.h"

static int co_press(struct call *c, struct ref ref, int operation, enum hv_trigger trigger, char key,
                    struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, ref, operation, &op, e) < 0)
        return -1;
    const char *uuid = talloc_strdup(c->mem, db_vm(c->db, ref)->uuid);
    struct agent *agent = vm_agent(c->x, ref, e);
    if (!agent)
        return -1;
    if (co_agent_vm_trigger(agent, uuid, trigger, key, e) == 0)
        return 0;
    vm_name_in_error(c, ref, e);
    return -1;
}

int co_vm_send_trigger(struct call *c, const struct vm_send_trigger_args *a, struct err *e)
{
    static const struct {
        const char *name;
        enum hv_trigger trigger;
    } known[] = {{"nmi", HV_TRIGGER_NMI},
                 {"power", HV_TRIGGER_POWER},
                 {"sleep", HV_TRIGGER_SLEEP},
                 {"s3resume", HV_TRIGGER_WAKE}};

    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(a->trigger, known[i].name) == 0)
            return co_press(c, a->vm, VM_OPERATIONS_SEND_TRIGGER, known[i].trigger, '\0', e);
    return call_row(c, CLASS_VM, a->vm, e) ? err_invalid_value(e, "trigger", a->trigger) : -1;
}

int co_vm_send_sysrq(struct call *c, const struct vm_send_sysrq_args *a, struct err *e)
{
    if (strlen(a->key) != 1 || !(islower((unsigned char)a->key[0]) || isdigit((unsigned char)a->key[0])))
        return call_row(c, CLASS_VM, a->vm, e) ? err_invalid_value(e, "key", a->key) : -1;
    return co_press(c, a->vm, VM_OPERATIONS_SEND_SYSRQ, HV_TRIGGER_SYSRQ, a->key[0], e);
}
