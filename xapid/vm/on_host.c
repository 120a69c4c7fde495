/* VM.call_host_plugin, VM.restart_device_models: what is done on the host of a VM, beside its guest. */
#include <talloc.h>
#include "rpc/wire.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/pool/at_host.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

static struct wire wire_of_map(void *ctx, const struct map *map)
{
    struct wire w = {.kind = WIRE_STRUCT, .n = map_count(map)};

    w.members = talloc_array(ctx, struct wire_member, w.n);
    for (uint32_t i = 0; i < w.n; i++)
        w.members[i] = (struct wire_member){.name = map->e[i].k.s, .value = wire_string(map->e[i].v.s)};
    return w;
}

static int co_call_there(struct call *c, struct ref host, const struct vm_call_host_plugin_args *a,
                         union value *ret, struct err *e)
{
    const struct wire params[] = {wire_string(talloc_strdup(c->mem, REF_TEXT(host))), wire_string(a->plugin),
                                  wire_string(a->fn), wire_of_map(c->mem, a->args)};
    struct wire answer;

    if (co_at_host_ask(c, host, "host.call_plugin", params, 4, &answer, e) < 0)
        return -1;
    ret->s = answer.kind == WIRE_STRING ? answer.s : "";
    return 0;
}

int co_vm_call_host_plugin(struct call *c, const struct vm_call_host_plugin_args *a, union value *ret,
                           struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_CALL_PLUGIN, &op, e) < 0)
        return -1;
    struct ref host = db_vm(c->db, a->vm)->resident_on;
    if (!ref_equal(host, c->x->host))
        return co_call_there(c, host, a, ret, e);
    const struct host_call_plugin_args here = {
        .host = host, .plugin = a->plugin, .fn = a->fn, .args = a->args};
    return co_host_call_plugin(c, &here, ret, e);
}

/* A guest's devices live in the QEMU that is the guest. */
int co_vm_restart_device_models(struct call *c, const struct vm_restart_device_models_args *a, struct err *e)
{
    static const char *const states[] = {"halted", "paused", "running", "suspended"};
    const struct vm *vm = (const struct vm *)call_row(c, CLASS_VM, a->self, e);

    if (!vm)
        return -1;
    if (vm->is_a_template)
        return err_vm_is_template(e, REF_TEXT(a->self));
    if (vm->power_state != VM_POWER_STATE_RUNNING)
        return err_vm_bad_power_state(e, REF_TEXT(a->self), "running", states[vm->power_state]);
    return err_cannot_restart_device_model(e, REF_TEXT(a->self));
}
