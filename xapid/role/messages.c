#include <string.h>
#include <talloc.h>
#include "model/args.gen.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/role/permission.h"

/* A role that is itself a permission consists of that one. */
int co_role_get_permissions(struct call *c, const struct role_get_permissions_args *a, union value *ret,
                            struct err *e)
{
    if (!call_row(c, CLASS_ROLE, a->self, e))
        return -1;
    unsigned bit = role_bit(a->self);
    ret->set = bit ? role_permissions(c->mem, bit) : set_of_refs(c->mem, &a->self, 1);
    return 0;
}

int co_role_get_permissions_name_label(struct call *c, const struct role_get_permissions_name_label_args *a,
                                       union value *ret, struct err *e)
{
    const struct row *row = call_row(c, CLASS_ROLE, a->self, e);
    if (!row)
        return -1;
    unsigned bit = role_bit(a->self);
    ret->set = bit ? role_permission_names(c->mem, bit)
                   : set_of_strings(c->mem, 1, ((const struct role *)row)->name_label);
    return 0;
}

/* The roles that contain a permission. */
static const struct set *roles_with(struct call *c, struct ref permission)
{
    const struct set *roles = NULL;
    DB_FOREACH_ROLE (c->db, role)
        if (set_has_ref(role->subroles, permission))
            roles = set_with_ref(c->mem, roles, role->row.ref);
    return roles;
}

int co_role_get_by_permission(struct call *c, const struct role_get_by_permission_args *a, union value *ret,
                              struct err *e)
{
    if (!call_row(c, CLASS_ROLE, a->permission, e))
        return -1;
    ret->set = roles_with(c, a->permission);
    return 0;
}

int co_role_get_by_permission_name_label(struct call *c,
                                         const struct role_get_by_permission_name_label_args *a,
                                         union value *ret, struct err *e)
{
    ret->set = roles_with(c, role_permission_ref(a->label));
    return 0;
}
