#ifndef DB_FEED_H
#define DB_FEED_H
/*
 * A database as what its copies on other hosts need of it: a description of its model, all of it at once,
 * then one batch a generation with every field that changed, those that SQLite never sees included. What is
 * sent where, and when it may be, is the caller's business: a copy must not learn of what is not durable here
 * (db_is_durable).
 *
 * The bytes are little-endian, with classes, fields and enum values as numbers; the description gives them
 * their names, so that a copy with an older model takes what it knows (db/replica.h). Never yields.
 */
#include "db/batch.h"
#include "db/db.h"

struct feed;

/* Begin to keep batches, the last ones of together about max_bytes. Once begun it stays so: the call changes
 * only the bound. */
void db_feed_start(struct db *db, size_t max_bytes);
void db_feed_stop(struct db *db);

/* The model as JSON, appended to out. */
void feed_describe(struct buf *out);

/* Every row as an insertion, in order of creation within its class; its generation is the database's. The
 * caller's to free. */
struct batch *feed_snapshot(struct db *db);

/* The batch that follows generation; NULL when there is none yet or, *ret_lost, none any more: only a
 * snapshot helps. It is the feed's and good until the next transaction. */
const struct batch *feed_next(const struct db *db, uint64_t generation, bool *ret_lost);

/* txn.c: take over what a commit did. */
void feed_put(struct feed *f, struct batch *b);

#endif
