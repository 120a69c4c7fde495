#ifndef DB_DB_H
#define DB_DB_H
/*
 * The object database. Rows live in memory, typed and indexed by reference, uuid, name-label and every
 * relation; SQLite is write-through behind them.
 *
 * Reading: const pointers, valid until the next yield or transaction. Hold references across waits and look
 * up again.
 *
 * Writing: a transaction is a no-yield region (lib/fiber.h); it changes rows in place and commits whole or is
 * undone whole. A commit gets the next generation, wakes whoever waits for changes, and is queued for SQLite;
 * everything that became ready in one turn of the loop shares one SQLite commit (WAL, synchronous=FULL) on a
 * thread of its own.
 *
 * The rule about answers: no answer and no event leaves before every batch it could have seen is durable, so
 * whoever answers a client waits co_db_wait_durable(db, db_generation(db)) after reading.
 *
 * Fields and classes that the model marks as not persistent make generations and events but no SQLite work.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/fiber.h"
#include "model/model.h"
#include "model/row.h"
#include "model/rows.gen.h"

struct db;
struct txn;

/* ---- life ---- */

/* Open or make the database file at path (NULL: memory only, for tests), migrating an older schema. Errors:
 * INTERNAL_ERROR with a text for the administrator: a newer schema, a damaged file, no permission. Blocks
 * (start-up). */
int db_open(const char *path, struct db **ret, struct err *e);

/* Flush what is queued and close. Blocks (shutdown). Fibers in co_db_wait_durable are woken and get their
 * answer; nobody may wait on db_changed any more. */
void db_close(struct db *db);

/* ---- reading ---- */

const struct row *db_get(struct db *db, enum model_class_id cls, struct ref ref);
const struct row *db_get_by_uuid(struct db *db, enum model_class_id cls, const char *uuid);

/* All rows of a class in order of creation. DB_FOREACH(db, CLASS_VM, row) { const struct vm *vm = (const
 * struct vm *)row; … } */
const struct row *db_first(struct db *db, enum model_class_id cls);
const struct row *db_next(const struct row *row);
#define DB_FOREACH(db, cls, row) for (const struct row *row = db_first((db), (cls)); row; row = db_next(row))
uint32_t db_count(struct db *db, enum model_class_id cls);

/* The references of the rows of cls whose field (a reference or a set of references) points at target; also
 * what a derived field shows. Returns a set on ctx in order of creation; an empty one for the null reference.
 */
const struct set *db_referrers(struct db *db, void *ctx, enum model_class_id cls, unsigned field,
                               struct ref target);

/* The same without memory: the first, then the next after row, which may have been changed or deleted
 * meanwhile. */
const struct row *db_first_referrer(struct db *db, enum model_class_id cls, unsigned field,
                                    struct ref target);
const struct row *db_next_referrer(struct db *db, const struct row *row, unsigned field, struct ref target);

/* References of the rows with this name-label. */
const struct set *db_get_by_name_label(struct db *db, void *ctx, enum model_class_id cls, const char *name);

/* A field's value; derived fields are built on ctx, stored ones stay the row's own. */
union value db_field(struct db *db, void *ctx, const struct row *row, const struct model_field *f);

/* ---- writing ---- */

struct txn *db_begin(struct db *db);

/* A fresh row with the model's initial values and, where the class has one, a fresh uuid. ref REF_NULL: a new
 * one; it aborts when the class has a row with ref. */
const struct row *db_create(struct txn *t, enum model_class_id cls, struct ref ref);

/* Copies v into the row. Setting an equal value changes nothing and makes no event. Values that are replaced
 * stay readable to the end of the transaction. */
void db_set(struct txn *t, const struct row *row, unsigned field, union value v);

/* Nobody finds the row any more; it stays readable to the end of the transaction. */
void db_delete(struct txn *t, const struct row *row);

/* Make the row count as modified though nothing changed (event.inject). */
void db_touch(struct txn *t, const struct row *row);

/* End the transaction. Commit fails (undoing all) only when the store refuses writes: the error says why. */
int db_commit(struct txn *t, struct err *e);
void db_abort(struct txn *t);

/* The rows created, changed or deleted (row->deleted) so far in t, for the hook below. */
void txn_foreach(struct txn *t, void (*fn)(struct txn *t, const struct row *row, void *arg), void *arg);
struct db *txn_db(struct txn *t);

/* Called in each commit before it takes effect, inside the transaction: keeps what is computed from other
 * rows (allowed_operations) right. One hook; it may create, set and delete. */
void db_set_commit_hook(struct db *db, void (*hook)(struct txn *t, void *arg), void *arg);

/* ---- generations, durability, changes ---- */

uint64_t db_generation(struct db *db);

/* Wait until every batch up to gen is on disk. 0, -ETIMEDOUT, -ECANCELED, or -EIO when the store failed. */
int co_db_wait_durable(struct db *db, uint64_t gen, int64_t deadline);
bool db_is_durable(struct db *db, uint64_t gen);

/* -1 while the file cannot be written, which is tried again every second: OUT_OF_SPACE, or INTERNAL_ERROR
 * with the reason. */
int db_check_writable(struct db *db, struct err *e);

/* The disk was full, and what is written now comes out of the reserve: make room, take none. Looks again at
 * most once a second. */
bool db_is_short_of_space(struct db *db);

/* Commits of the file, each of one batch or more, and how long they took in nanoseconds. */
struct db_commit_stats {
    uint64_t count, ns, ns_max;
};
struct db_commit_stats db_commit_stats(const struct db *db);

/* Broadcast after every commit. */
struct fiber_cond *db_changed(struct db *db);

/* Visit what changed after gen, oldest first; row is NULL for a deletion, whose class and reference and
 * creation generation are given. */
struct db_change {
    enum model_class_id cls;
    struct ref ref;
    uint64_t created, changed;
    const struct row *row;
};
void db_changes_since(struct db *db, uint64_t gen, void (*fn)(const struct db_change *c, void *arg),
                      void *arg);

/* Deletions older than this generation are forgotten: a client with an older token must resynchronise. */
uint64_t db_oldest_tombstone(struct db *db);

#endif
