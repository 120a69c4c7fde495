/* Transactions: rows change in place, the first value of each changed cell is kept until the end. */
#include <stdlib.h>
#include <string.h>
#include "db/db_private.h"
#include "db/feed.h"
#include "db/store.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Lists longer than this are given back after the transaction. */
#define KEEP_LIST_MAX 4096

/* ---- what the transaction has touched ---- */

static void *grow(void *list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    *cap = *cap ? *cap * 2 : 64;
    return mem_resize(list, *cap * size);
}

static struct touched *touch(struct txn *t, const struct row *row)
{
    struct row *mine = (struct row *)(uintptr_t)row;

    if (!t->open)
        db_die("a change of %s outside of a transaction", model_classes[row->cls].name);
    if (row->deleted)
        db_die("a change of a deleted row of %s", model_classes[row->cls].name);
    if (row->touched == 0) {
        t->touched = grow(t->touched, t->n_touched, &t->cap_touched, sizeof *t->touched);
        t->touched[t->n_touched++] = (struct touched){.row = mine};
        mine->touched = t->n_touched;
    }
    return &t->touched[row->touched - 1];
}

/* Keep the value of a cell that is about to be overwritten. Values that the transaction itself made live to
 * its end too: somebody may still be reading them. */
static void save(struct txn *t, struct touched *touched, unsigned field)
{
    const struct model_field *f = &model_classes[touched->row->cls].fields[field];
    bool garbage = touched->created || field_mask_has(&touched->changed, field);

    if (!garbage)
        field_mask_set(&touched->changed, field);
    else if (!cell_is_counted(f->type))
        return;
    t->saved = grow(t->saved, t->n_saved, &t->cap_saved, sizeof *t->saved);
    t->saved[t->n_saved++] = (struct saved){.old = cell_load(touched->row, f),
                                            .touched = touched->row->touched - 1,
                                            .field = (uint16_t)field,
                                            .garbage = garbage};
}

/* ---- changes ---- */

struct txn *db_begin(struct db *db)
{
    struct txn *t = &db->txn;

    if (t->open)
        db_die("a transaction is begun inside another");
    fiber_no_yield_enter("a database transaction");
    t->db = db;
    t->generation = 0;
    t->open = true;
    return t;
}

struct txn *txn_begin_copy(struct db *db, uint64_t generation)
{
    struct txn *t = db_begin(db);

    t->generation = generation;
    return t;
}

static void set_fresh_uuid(struct db *db, struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];
    char uuid[UUID_TEXT_SIZE];
    const struct model_field *f;

    if (c->uuid_field < 0)
        return;
    f = &c->fields[c->uuid_field];
    uuid_new(uuid);
    cell_drop(&db->pool, f->type, cell_load(row, f));
    cell_store(row, f, cell_own(&db->pool, f->type, (union value){.s = uuid}, false));
}

const struct row *db_create(struct txn *t, enum model_class_id cls, struct ref ref)
{
    struct db *db = t->db;
    struct row *row;

    if (!ref_is_null(ref) && index_by_ref(&db->index, cls, ref))
        db_die("a row of %s is created with the reference of another", model_classes[cls].name);
    row = row_new(db, cls, ref_is_null(ref) ? ref_new() : ref);
    set_fresh_uuid(db, row);
    touch(t, row)->created = true;
    row_enter(db, row);
    return row;
}

void db_set(struct txn *t, const struct row *row, unsigned field, union value v)
{
    const struct model_class *c = &model_classes[row->cls];
    const struct model_field *f = &c->fields[field];
    struct db *db = t->db;
    struct touched *touched;

    if (field >= c->n_fields || !field_has_cell(f))
        db_die("a field of %s that is not stored is set", c->name);
    if (value_equal(f->type, cell_load(row, f), v))
        return;
    touched = touch(t, row);
    v = cell_own(&db->pool, f->type, v, field_is_shared(c, field));
    save(t, touched, field);
    index_remove_field(&db->index, touched->row, f);
    cell_store(touched->row, f, v);
    index_add_field(&db->index, touched->row, f);
}

void db_delete(struct txn *t, const struct row *row)
{
    struct touched *touched = touch(t, row);

    index_remove_row(&t->db->index, touched->row);
    touched->row->deleted = true;
    touched->deleted = true;
    t->db->classes[row->cls].count--;
}

void db_touch(struct txn *t, const struct row *row)
{
    touch(t, row)->forced = true;
}

struct db *txn_db(struct txn *t)
{
    return t->db;
}

void txn_foreach(struct txn *t, void (*fn)(struct txn *t, const struct row *row, void *arg), void *arg)
{
    uint32_t n = t->n_touched;

    for (uint32_t i = 0; i < n; i++) {
        if (!t->touched[i].created || !t->touched[i].deleted)
            fn(t, t->touched[i].row, arg);
    }
}

/* ---- ending ---- */

static void finish(struct txn *t)
{
    t->n_touched = 0;
    t->n_saved = 0;
    t->open = false;
    if (t->cap_touched > KEEP_LIST_MAX || t->cap_saved > KEEP_LIST_MAX)
        txn_fini(t);
    fiber_no_yield_leave();
}

void txn_fini(struct txn *t)
{
    free(t->touched);
    free(t->saved);
    t->touched = NULL;
    t->saved = NULL;
    t->cap_touched = 0;
    t->cap_saved = 0;
}

static const struct model_field *saved_field(const struct txn *t, const struct saved *s)
{
    return &model_classes[t->touched[s->touched].row->cls].fields[s->field];
}

static void drop_saved(struct txn *t)
{
    for (uint32_t i = 0; i < t->n_saved; i++)
        cell_drop(&t->db->pool, saved_field(t, &t->saved[i])->type, t->saved[i].old);
}

/* Put a first value back, and leave the one it replaces in its place to be dropped. */
static void restore_cell(struct txn *t, struct saved *s)
{
    const struct model_field *f = saved_field(t, s);
    struct row *row = t->touched[s->touched].row;
    union value now = cell_load(row, f);

    if (!row->deleted)
        index_remove_field(&t->db->index, row, f);
    cell_store(row, f, s->old);
    if (!row->deleted)
        index_add_field(&t->db->index, row, f);
    s->old = now;
}

static void restore_row(struct db *db, struct touched *touched)
{
    struct row *row = touched->row;

    row->touched = 0;
    if (touched->created) {
        if (!touched->deleted) {
            index_remove_row(&db->index, row);
            db->classes[row->cls].count--;
        }
        row_unlink(db, row);
        row_free(db, row);
    } else if (touched->deleted) {
        row->deleted = false;
        index_add_row(&db->index, row);
        db->classes[row->cls].count++;
    }
}

void db_abort(struct txn *t)
{
    for (uint32_t i = t->n_saved; i-- > 0;) {
        if (!t->saved[i].garbage)
            restore_cell(t, &t->saved[i]);
    }
    drop_saved(t);
    for (uint32_t i = t->n_touched; i-- > 0;)
        restore_row(t->db, &t->touched[i]);
    finish(t);
}

/* Forget changes that came back to where they began. */
static void find_net_changes(struct txn *t)
{
    for (uint32_t i = 0; i < t->n_saved; i++) {
        struct saved *s = &t->saved[i];
        struct touched *touched = &t->touched[s->touched];
        const struct model_field *f = saved_field(t, s);

        if (!s->garbage && value_equal(f->type, s->old, cell_load(touched->row, f)))
            touched->changed.bits[s->field / 64] &= ~((uint64_t)1 << (s->field % 64));
    }
}

static bool is_change(const struct touched *c)
{
    if (c->created || c->deleted)
        return !(c->created && c->deleted);
    return c->forced || !field_mask_is_empty(&c->changed);
}

static enum batch_op op_of(const struct touched *c)
{
    if (c->created)
        return BATCH_INSERT;
    return c->deleted ? BATCH_DELETE : BATCH_UPDATE;
}

/* The columns to write for a change; *ret_op is the statement's kind, 0 when SQLite has nothing to do. */
static struct field_mask columns_of(const struct db *db, const struct touched *c, enum batch_op *ret_op)
{
    const struct field_mask *stored = &db->classes[c->row->cls].persistent;
    struct field_mask columns = c->created ? *stored : c->changed;

    for (unsigned i = 0; i < FIELD_MASK_WORDS; i++)
        columns.bits[i] &= stored->bits[i];
    *ret_op = op_of(c);
    if (!model_classes[c->row->cls].persistent || !is_change(c) ||
        (*ret_op == BATCH_UPDATE && field_mask_is_empty(&columns)))
        *ret_op = 0;
    return columns;
}

/* What the transaction amounts to: anything at all, and anything for SQLite? */
static bool has_changes(const struct txn *t, bool *ret_persistent)
{
    enum batch_op op;
    bool any = false;

    *ret_persistent = false;
    for (uint32_t i = 0; i < t->n_touched && !*ret_persistent; i++) {
        any = any || is_change(&t->touched[i]);
        columns_of(t->db, &t->touched[i], &op);
        *ret_persistent = op != 0;
    }
    return any || *ret_persistent;
}

static void bury(struct db *db, struct touched *c)
{
    if (!c->created) {
        tombstone_add(db, c->row, db->generation);
        TAILQ_REMOVE(&db->by_modified, c->row, by_modified);
    }
    row_unlink(db, c->row);
    row_free(db, c->row);
}

/* Give the row its generation and its place in the order of changes. */
static void mark(struct db *db, struct touched *c)
{
    if (!is_change(c))
        return;
    if (c->created)
        c->row->created = db->generation;
    else
        TAILQ_REMOVE(&db->by_modified, c->row, by_modified);
    c->row->modified = db->generation;
    TAILQ_INSERT_TAIL(&db->by_modified, c->row, by_modified);
}

/* What the transaction amounts to, as bytes: for SQLite and for copies on other hosts. NULL: nobody wants it.
 */
struct batches {
    struct batch *stored, *whole;
};

static void describe(const struct db *db, const struct touched *c, const struct batches *to)
{
    enum batch_op op;
    struct field_mask columns = columns_of(db, c, &op);

    if (to->stored && op != 0)
        batch_add(to->stored, op, c->row, &columns);
    if (to->whole && is_change(c))
        batch_add(to->whole, op_of(c), c->row, c->created ? &db->classes[c->row->cls].cells : &c->changed);
}

static void apply(struct txn *t, const struct batches *to)
{
    struct db *db = t->db;

    for (uint32_t i = 0; i < t->n_touched; i++) {
        struct touched *c = &t->touched[i];

        c->row->touched = 0;
        if (!c->deleted)
            mark(db, c);
        describe(db, c, to);
    }
    drop_saved(t);
    for (uint32_t i = 0; i < t->n_touched; i++) {
        if (t->touched[i].deleted)
            bury(db, &t->touched[i]);
    }
}

/* Make the transaction's changes the next generation. */
static void commit(struct txn *t, bool persistent)
{
    struct db *db = t->db;
    struct batches to = {.stored = persistent && db->store ? batch_new() : NULL,
                         .whole = db->feed ? batch_new() : NULL};

    db->generation = t->generation ? t->generation : db->generation + 1;
    apply(t, &to);
    if (to.stored) {
        to.stored->generation = db->generation;
        store_put(db, to.stored);
    }
    if (to.whole) {
        to.whole->generation = db->generation;
        feed_put(db->feed, to.whole);
    }
    store_note_generation(db);
    fiber_cond_broadcast(&db->changed);
}

enum { SHOWN_OF_SESSION = sizeof "OpaqueRef:" - 1 + 8 };

/* Which rows, not what is in them: that may be secret. So is the reference of a session. */
static void log_rows(const struct txn *t)
{
    char ref[REF_TEXT_SIZE];

    for (uint32_t i = 0; log_wants(LOG_LEVEL_DEBUG) && i < t->n_touched; i++) {
        const struct touched *row = &t->touched[i];
        ref_format(row->row->ref, ref);
        if (row->row->cls == CLASS_SESSION)
            ref[SHOWN_OF_SESSION] = '\0';
        log_debug("database: %s %s %s",
                  row->created   ? "add"
                  : row->deleted ? "delete"
                                 : "change",
                  model_classes[row->row->cls].name, ref);
    }
}

int db_commit(struct txn *t, struct err *e)
{
    struct db *db = t->db;
    bool persistent;

    if (db->hook && t->n_touched > 0 && t->generation == 0)
        db->hook(t, db->hook_arg);
    find_net_changes(t);
    if (has_changes(t, &persistent) || t->generation) {
        if (db->is_copy && t->generation == 0) {
            db_abort(t);
            return err_internal(e, "this database is a copy of another host's, which alone may change it");
        }
        if (fault_point(FAULT_DB, "db commit") < 0) {
            db_abort(t);
            return err_internal(e, "the database refused a transaction");
        }
        if (persistent && db_check_writable(db, e) < 0) {
            db_abort(t);
            return -1;
        }
        log_rows(t);
        commit(t, persistent);
    } else {
        apply(t, &(struct batches){0});
    }
    finish(t);
    return 0;
}
