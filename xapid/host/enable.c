/* host.enable, host.disable: may new VMs start here? */
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"

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
