#ifndef DB_RESTORE_H
#define DB_RESTORE_H
/*
 * Putting another database in the place of one. What is to come is made ready beside it, as PATH.restore; the
 * next opening takes it over and keeps the old one as PATH.before-restore-<time>. A process that dies on the
 * way leaves either the old database or one that the next opening takes over. Block; may run on a worker.
 */
#include <stdint.h>
#include "db/batch.h"
#include "db/db.h"

/* Make the database in from ready for path. Generations after that begin above `above` and those that path
 * ever had, as far as that can still be read. */
int restore_prepare(const char *path, const char *from, uint64_t above, struct err *e);

/* The same for a file that nobody else needs and that is in path's folder: it is taken, not copied. */
int restore_prepare_take(const char *path, const char *from, uint64_t above, struct err *e);

/* All of a memory-only database, as what restore_write makes a file of; never blocks. */
struct batch *restore_snapshot(struct db *db);

/* Make the file path of it, over what is there. */
int restore_write(const char *path, struct batch *snapshot, struct err *e);

/* Take over what is ready, if anything is; path is not open. */
int restore_finish(const char *path, struct err *e);

#endif
