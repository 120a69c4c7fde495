#ifndef XAPID_ROLE_PERMISSION_H
#define XAPID_ROLE_PERMISSION_H
/*
 * Permissions: a message's name in lower case. Never yields.
 */
#include "model/model.h"

/* Is the message one that a role may or may not be allowed to call? */
bool role_message_has_permission(const struct model_message *m);

/* "vm.start", on ctx. */
const char *role_permission_name(void *ctx, const struct model_message *m);

/* The reference of a permission's row. */
struct ref role_permission_ref(const char *permission);

/* The one bit of enum model_role that a standard role stands for; 0 for any other row. */
unsigned role_bit(struct ref role);

/* The permissions of whoever has one of these roles, as references or as names; on ctx. */
const struct set *role_permissions(void *ctx, unsigned roles);
const struct set *role_permission_names(void *ctx, unsigned roles);

#endif
