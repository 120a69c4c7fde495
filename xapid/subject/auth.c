/* Asking a directory service about users: there is none yet. */
#include "model/args.gen.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"

int co_auth_get_subject_identifier(struct call *c, const struct auth_get_subject_identifier_args *a,
                                   union value *ret, struct err *e)
{
    return err_auth_is_disabled(e);
}

int co_auth_get_subject_information_from_identifier(
    struct call *c, const struct auth_get_subject_information_from_identifier_args *a, union value *ret,
    struct err *e)
{
    return err_auth_is_disabled(e);
}

int co_auth_get_group_membership(struct call *c, const struct auth_get_group_membership_args *a,
                                 union value *ret, struct err *e)
{
    return err_auth_is_disabled(e);
}
