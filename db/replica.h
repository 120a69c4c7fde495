#ifndef DB_REPLICA_H
#define DB_REPLICA_H
/*
 * Making this database a copy of another host's, from what its feed says (db/feed.h). The copy takes over
 * references, values and generations, so that an event token of one host is good at the other; the commit
 * hook is not called.
 *
 * Model numbers are translated by name. What this model does not know — classes, fields, enum values, or a
 * field whose type is another — is left out: an older member goes on beside a newer coordinator. Errors:
 * INTERNAL_ERROR with a reason for the log, after which nothing of the batch has taken effect; bytes are not
 * trusted. Never yields.
 */
#include "db/db.h"

struct replica;

/* From now on db is a copy: transactions of its own fail with INTERNAL_ERROR. Generations are counted anew,
 * for a database that was opened is ahead of what its file holds (db_open leaves a gap, so that none is ever
 * used twice), and the snapshot to come must not be behind. While nobody has seen a generation of this
 * database. */
void replica_begin(struct db *db);

/* description: of the sender's model, from feed_describe. To be freed before db is closed. */
int replica_new(struct db *db, const char *description, size_t n, struct replica **ret, struct err *e);
void replica_free(struct replica *r);

/* Repeat the commit that made this generation, which must follow the copy's own. */
int replica_apply(struct replica *r, const char *batch, size_t n, uint64_t generation, struct err *e);

/* Become the snapshot of this generation: rows that differ change, rows that are not in it go. Clients with a
 * token from before must begin anew (db_oldest_tombstone). */
int replica_load(struct replica *r, const char *snapshot, size_t n, uint64_t generation, struct err *e);

#endif
