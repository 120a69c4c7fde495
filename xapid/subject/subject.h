#ifndef XAPID_SUBJECT_SUBJECT_H
#define XAPID_SUBJECT_SUBJECT_H
/*
 * Subjects: users and groups that have roles here. Never yields.
 */
#include "db/db.h"

/* NULL when there is none. */
const struct subject *subject_by_identifier(struct db *db, const char *identifier);

/* The mask of the roles that these subjects have together. */
unsigned subject_roles(struct db *db, const struct set *subjects);

#endif
