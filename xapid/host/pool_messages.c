/* What a pool answers without doing anything to its hosts. */
#include <string.h>
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"

static int set(struct call *c, struct ref pool, unsigned field, union value v, struct err *e)
{
    return call_set_field(c, CLASS_POOL, pool, field, v, e);
}

int co_pool_get_license_state(struct call *c, const struct pool_get_license_state_args *a, union value *ret,
                              struct err *e)
{
    ret->map = map_with(c->mem, map_with(c->mem, NULL, "edition", "free"), "expiry", "never");
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}

int co_pool_apply_edition(struct call *c, const struct pool_apply_edition_args *a, struct err *e)
{
    if (a->edition[0] && strcmp(a->edition, "free") != 0)
        return err_invalid_edition(e, a->edition);
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}

int co_pool_set_telemetry_next_collection(struct call *c,
                                          const struct pool_set_telemetry_next_collection_args *a,
                                          struct err *e)
{
    return set(c, a->self, POOL_F_TELEMETRY_NEXT_COLLECTION, (union value){.i = a->value}, e);
}

int co_pool_get_guest_secureboot_readiness(struct call *c,
                                           const struct pool_get_guest_secureboot_readiness_args *a,
                                           union value *ret, struct err *e)
{
    ret->i = POOL_GUEST_SECUREBOOT_READINESS_NOT_READY;
    return call_row(c, CLASS_POOL, a->self, e) ? 0 : -1;
}
