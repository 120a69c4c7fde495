#ifndef DB_DB_PRIVATE_H
#define DB_DB_PRIVATE_H
/* What the files of the database share. Everything here belongs to the loop's thread. */
#include "db/batch.h"
#include "db/cell.h"
#include "db/db.h"
#include "db/index.h"
#include "lib/log.h"

TAILQ_HEAD(row_list, row);

struct class_rows {
    struct row_list rows; /* in order of creation; rows deleted in the open transaction are still in it */
    uint32_t count;       /* without those */
    uint32_t last_order;
    struct row *blank;            /* a fresh row's cells; made at first use */
    struct field_mask persistent; /* its stored columns; empty for a class without a table */
    struct field_mask cells;      /* all fields that rows hold */
};

/* ---- deletions remembered (changes.c) ---- */

struct tombstone {
    struct ref ref;
    uint64_t created, changed;
    uint32_t when; /* seconds of clock_now() */
    uint16_t cls;  /* enum model_class_id */
};

/* A ring of fixed size, so that deleting does not make the process grow. */
struct tombstones {
    struct tombstone *ring; /* of TOMBSTONES_MAX; made at the first deletion */
    uint32_t first, n;
    uint64_t oldest; /* see db_oldest_tombstone */
};

#define TOMBSTONES_MAX 10000
#define TOMBSTONE_LIFE_S 3600

void tombstone_add(struct db *db, const struct row *row, uint64_t changed);
void tombstones_fini(struct tombstones *t);

/* Which deletions led to what there is now is not known any more. */
void db_forget_deletions(struct db *db);

/* ---- the open transaction (txn.c) ---- */

struct touched {
    struct row *row;
    struct field_mask changed; /* fields whose first value is saved */
    bool created, deleted, forced;
};

/* A cell's value from before, or one that the transaction made and replaced again. */
struct saved {
    union value old;
    uint32_t touched;
    uint16_t field;
    bool garbage;
};

struct txn {
    struct db *db;
    uint64_t generation; /* of another host's commit that this repeats; 0: it becomes the next one */
    bool open;
    struct touched *touched;
    uint32_t n_touched, cap_touched;
    struct saved *saved;
    uint32_t n_saved, cap_saved;
};

void txn_fini(struct txn *t);

/* Repeat a commit of the database that this one copies: it takes that generation, and the commit hook, whose
 * changes are in it already, is not called. */
struct txn *txn_begin_copy(struct db *db, uint64_t generation);

/* ---- the database ---- */

struct store;
struct feed;

struct db {
    struct index index;
    struct cell_pool pool;
    struct class_rows classes[CLASS_COUNT];
    struct row_list by_modified;
    struct tombstones tombstones;
    uint64_t generation;
    bool is_copy; /* only what another host has committed is committed here (db/replica.h) */
    struct fiber_cond changed;
    struct txn txn;
    void (*hook)(struct txn *t, void *arg);
    void *hook_arg;
    struct feed *feed;   /* NULL: nobody copies this database */
    struct store *store; /* NULL: memory only */
};

/* A row with the initial values, in no list and no index. */
struct row *row_new(struct db *db, enum model_class_id cls, struct ref ref);
void row_free(struct db *db, struct row *row);

/* Put a new row at the end of its class and into the indexes; the opposite. */
void row_enter(struct db *db, struct row *row);
void row_unlink(struct db *db, struct row *row);

/* Equal values of this field are kept once. */
bool field_is_shared(const struct model_class *c, unsigned field);

/* A broken rule of db.h: say so and abort. */
#define db_die(...)             \
    do {                        \
        log_error(__VA_ARGS__); \
        abort();                \
    } while (0)

#endif
