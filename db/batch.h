#ifndef DB_BATCH_H
#define DB_BATCH_H
/*
 * A committed batch as bytes: what a transaction changed, in the order of the changes, holding no pointer
 * into the rows. The loop's thread writes it; the SQLite writer reads one with the persistent fields on its
 * worker, the copies on other hosts one with all of them (db/feed.h). The bytes are in this machine's order.
 * Reading is thread-safe; nothing here yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "lib/buf.h"
#include "model/model.h"
#include "model/row.h"

struct batch {
    STAILQ_ENTRY(batch) link;
    uint64_t generation;
    uint32_t n_changes;
    struct buf data;
};

STAILQ_HEAD(batch_list, batch);

enum batch_op { BATCH_INSERT = 1, BATCH_UPDATE, BATCH_DELETE };

/* One bit a field of the class. */
#define FIELD_MASK_WORDS 2
struct field_mask {
    uint64_t bits[FIELD_MASK_WORDS];
};

static inline bool field_mask_has(const struct field_mask *m, unsigned field)
{
    return m->bits[field / 64] >> (field % 64) & 1;
}

static inline void field_mask_set(struct field_mask *m, unsigned field)
{
    m->bits[field / 64] |= (uint64_t)1 << (field % 64);
}

static inline bool field_mask_is_empty(const struct field_mask *m)
{
    return (m->bits[0] | m->bits[1]) == 0;
}

/* A change of one row; the values of the fields in the mask follow it in the batch, in order of the fields.
 */
struct batch_change {
    enum batch_op op;
    enum model_class_id cls;
    struct ref ref;
    uint64_t created, modified;
    struct field_mask fields;
};

/* A field's value: what is given depends on the type's kind. Sets and maps are JSON text. */
struct batch_value {
    int64_t i; /* int, bool, enum, datetime */
    double f;
    struct ref ref;
    const char *text; /* string, set, map: not NUL-terminated, inside the batch */
    uint32_t length;
};

struct batch *batch_new(void);
void batch_free(struct batch *b);

/* Add a change: for inserts and updates with the row's present values of these fields. */
void batch_add(struct batch *b, enum batch_op op, const struct row *row, const struct field_mask *fields);

/* Reading stops where the bytes do: what would lie beyond reads as nothing, and bad says so. */
struct batch_reader {
    const char *at, *end;
    bool bad;
};

void batch_read(const struct batch *b, struct batch_reader *r);
void batch_read_bytes(const char *data, size_t n, struct batch_reader *r);

/* False at the end, or where a change is cut short. After a change, read one value for each field of its
 * mask. */
bool batch_next(struct batch_reader *r, struct batch_change *ret);
void batch_next_value(struct batch_reader *r, enum model_kind kind, struct batch_value *ret);

#endif
