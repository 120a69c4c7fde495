/* host.enable, host.disable: may new VMs start here? And what stands in the way of emptying a host. */
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"

int co_host_enable(struct call *c, const struct host_enable_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_HOST, a->host, HOST_ALLOWED_OPERATIONS_ENABLE, &op, e) < 0)
        return -1;
    return call_set_field(c, CLASS_HOST, a->host, HOST_F_ENABLED, (union value){.b = true}, e);
}

int co_host_disable(struct call *c, const struct host_disable_args *a, struct err *e)
{
    return call_set_field(c, CLASS_HOST, a->host, HOST_F_ENABLED, (union value){.b = false}, e);
}

/* Is there a host beside this one that could take the VM over? Migration is not there yet, so there is none.
 */
static bool can_leave(struct call *c, const struct vm *vm)
{
    return vm->is_control_domain;
}

int co_host_get_vms_which_prevent_evacuation(struct call *c,
                                             const struct host_get_vms_which_prevent_evacuation_args *a,
                                             union value *ret, struct err *e)
{
    struct map *map = talloc_zero_size(c->mem, sizeof *map + db_count(c->db, CLASS_VM) * sizeof map->e[0]);

    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    FOREACH_REFERRER (c->db, vm, vm, VM, RESIDENT_ON, a->self)
        if (!can_leave(c, vm))
            map->e[map->n++] = (struct map_entry){.k.r = vm->row.ref,
                                                  .v.set = set_of_strings(c->mem, 1, "NO_HOSTS_AVAILABLE")};
    map_sort(c->message->result, map);
    ret->map = map;
    return 0;
}

static int check_can_evacuate(struct call *c, struct ref host, struct err *e)
{
    char *reasons = NULL;

    FOREACH_REFERRER (c->db, vm, vm, VM, RESIDENT_ON, host)
        if (!can_leave(c, vm))
            reasons = talloc_asprintf(c->mem, "%s%sNO_HOSTS_AVAILABLE,%s", reasons ? reasons : "",
                                      reasons ? "|" : "", REF_TEXT(vm->row.ref));
    return reasons ? err_cannot_evacuate_host(e, reasons) : 0;
}

int co_host_assert_can_evacuate(struct call *c, const struct host_assert_can_evacuate_args *a, struct err *e)
{
    return call_row(c, CLASS_HOST, a->host, e) ? check_can_evacuate(c, a->host, e) : -1;
}

/* A host without guests is evacuated; others can not be yet. */
int co_host_evacuate(struct call *c, const struct host_evacuate_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_HOST, a->host, HOST_ALLOWED_OPERATIONS_EVACUATE, &op, e) < 0)
        return -1;
    return check_can_evacuate(c, a->host, e);
}

int co_host_get_uncooperative_resident_vms(struct call *c,
                                           const struct host_get_uncooperative_resident_vms_args *a,
                                           union value *ret, struct err *e)
{
    return call_row(c, CLASS_HOST, a->self, e) ? 0 : -1;
}
