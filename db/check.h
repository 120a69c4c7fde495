#ifndef DB_CHECK_H
#define DB_CHECK_H
/*
 * Looking at a database file for everything that could be wrong with it: the file as such, its shape, each
 * row's values, references that point at nothing, uuids that are missing or there twice. The file is only
 * read, in one transaction, so it may be in use. Blocks for as long as reading it all takes.
 */
#include "db/db.h"

typedef void db_tell(const char *problem, void *arg);

/* Tell every problem of the file and of its values, in words for an administrator, and return a memory-only
 * database of the rows that could be read, to be given to db_check_rows and db_close. Errors: INTERNAL_ERROR
 * when there is nothing to look at: no file, another program's, a newer schema. */
int db_check(const char *path, db_tell *tell, void *arg, struct db **ret, struct err *e);

/* Tell of rows that point at nothing and of uuids that are no row's own. */
void db_check_rows(struct db *db, db_tell *tell, void *arg);

/* Is the file a database of this program, and whole as far as SQLite knows? -1 with what is wrong. */
int db_check_whole(const char *path, struct err *e);

/* "VM OpaqueRef:… (uuid …)", on ctx, for telling of a row. */
const char *db_row_text(void *ctx, const struct row *row);

#endif
