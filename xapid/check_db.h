#ifndef XAPID_CHECK_DB_H
#define XAPID_CHECK_DB_H
/*
 * xapid --check-db: what is wrong with the database, or with a copy of it. One line a problem on standard
 * error. The file is only read; the daemon may run. Returns the exit status: 0 when nothing is wrong.
 */
#include "db/check.h"
#include "xapid/server.h"

int check_db(const struct xapid_options *o);

/* Tell all that is wrong with a database's rows. */
void check_db_rows(struct db *db, db_tell *tell, void *arg);

#endif
