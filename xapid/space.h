#ifndef XAPID_SPACE_H
#define XAPID_SPACE_H
/*
 * While the database's disk is full: reading goes on, and so does what gives room back or ends something; all
 * else is refused with OUT_OF_SPACE before it begins. Never yields.
 */
#include "db/db.h"

int space_check(struct db *db, const struct model_message *m, struct err *e);

#endif
