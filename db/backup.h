#ifndef DB_BACKUP_H
#define DB_BACKUP_H
/*
 * Copies of the database, made by SQLite's online backup while it is in use, each of one moment's state. A
 * copy is a single file that is there whole or not at all, and SQLite has found nothing wrong with it.
 *
 * Automatic ones stand in a folder as xapid-<UTC time>.db; what else is in it is left alone. Those that carry
 * a time to come, because the clock was set back since, count as the oldest.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

/* Copy the database in from to the file to, over what is there. Blocks; may run on a worker. */
int backup_copy(const char *from, const char *to, struct err *e);

/* How many copies are kept, and how many bytes they have at most together; the newest is always kept. */
struct backup_bounds {
    unsigned number;
    uint64_t bytes;
};

/* Add a copy of the database to the folder, which is made when it is not there, and remove what is beyond the
 * bounds. When nothing was committed since the newest copy that one just counts as made now. Blocks; may run
 * on a worker. */
int backup_add(const char *database, const char *folder, struct backup_bounds bounds, struct err *e);

/* When the newest copy was made, in seconds since 1970; 0: there is none. */
int64_t backup_newest_time(const char *folder);

/* The newest copy that is whole, on ctx, or NULL. */
char *backup_newest_good(void *ctx, const char *folder);

#endif
