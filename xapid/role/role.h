#ifndef XAPID_ROLE_ROLE_H
#define XAPID_ROLE_ROLE_H
/*
 * The six roles and the permissions they consist of, as rows of class role. A permission is a message's name
 * in lower case ("vm.start") and is a row too, without subroles. References are fixed: those of the six are
 * the reference server's, a permission's is derived from its name. Never yields.
 */
#include "db/db.h"

/* Make the rows be as the model says. Called once at start. */
int role_bootstrap(struct db *db, struct err *e);

/* The mask of enum model_role of a set of role references. */
unsigned role_mask(struct db *db, const struct set *roles);

#define ROLE_ALL (~0u)

#endif
