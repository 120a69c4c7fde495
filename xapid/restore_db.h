#ifndef XAPID_RESTORE_DB_H
#define XAPID_RESTORE_DB_H
/*
 * xapid --restore-db: put a copy of the database in the place of the present one, which is kept under another
 * name. Errors: INTERNAL_ERROR with a text for the administrator: the daemon runs, or the copy is no good.
 */
#include "xapid/server.h"

int restore_db(const struct xapid_options *o, struct err *e);

#endif
