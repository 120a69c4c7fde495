#include "db/replica.h"
#include <jansson.h>
#include <stdlib.h>
#include <talloc.h>
#include "db/db_private.h"
#include "lib/mem.h"
#include "lib/utf8.h"

/* A field of the sender's: how its value is written, and which of ours it is. */
struct foreign_field {
    enum model_kind kind;
    const struct model_field *ours; /* NULL: unknown here */
    int *values;                    /* an enum's, as ours; -1: unknown here */
    unsigned n_values;
    struct {
        char *text; /* NULL: none yet */
        uint32_t length;
        union value value;
    } last; /* a set or map that was read: rows often have what the one before had */
};

struct foreign_class {
    const struct model_class *ours; /* NULL: unknown here */
    unsigned n_fields;
    struct foreign_field *fields;
};

/* Everything hangs off it (talloc). */
struct replica {
    struct db *db;
    unsigned n_classes;
    struct foreign_class *classes;
};

/* ---- the sender's model ---- */

static bool map_values(void *ctx, json_t *names, struct foreign_field *ret)
{
    size_t n = json_array_size(names);

    if (!json_is_array(names))
        return false;
    ret->n_values = (unsigned)n;
    ret->values = talloc_array(ctx, int, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (!name)
            return false;
        ret->values[i] = ret->ours ? model_enum_index(ret->ours->type->enums, name) : -1;
    }
    return true;
}

static bool map_field(void *ctx, const struct model_class *c, json_t *field, struct foreign_field *ret)
{
    const char *name = json_string_value(json_array_get(field, 0));
    const char *type = json_string_value(json_array_get(field, 1));
    json_t *kind = json_array_get(field, 2);

    if (!name || !type || !json_is_integer(kind) || json_integer_value(kind) < KIND_VOID ||
        json_integer_value(kind) > KIND_OPTION)
        return false;
    ret->kind = (enum model_kind)json_integer_value(kind);
    ret->ours = c ? model_field_by_name(c, name) : NULL;
    if (ret->ours && (!field_has_cell(ret->ours) || ret->ours->type->kind != ret->kind ||
                      strcmp(ret->ours->type->name, type) != 0))
        ret->ours = NULL;
    return ret->kind != KIND_ENUM || map_values(ctx, json_array_get(field, 3), ret);
}

static bool map_class(void *ctx, json_t *described, struct foreign_class *ret)
{
    const char *name = json_string_value(json_array_get(described, 0));
    json_t *fields = json_array_get(described, 1);

    if (!name || !json_is_array(fields) || json_array_size(fields) > FIELD_MASK_WORDS * 64)
        return false;
    ret->ours = model_class_by_name(name);
    if (ret->ours && !ret->ours->stored)
        ret->ours = NULL;
    ret->n_fields = (unsigned)json_array_size(fields);
    ret->fields = talloc_zero_array(ctx, struct foreign_field, ret->n_fields);
    for (unsigned i = 0; i < ret->n_fields; i++) {
        if (!map_field(ctx, ret->ours, json_array_get(fields, i), &ret->fields[i]))
            return false;
    }
    return true;
}

static bool map_model(struct replica *r, json_t *classes)
{
    if (!json_is_array(classes))
        return false;
    r->n_classes = (unsigned)json_array_size(classes);
    r->classes = talloc_zero_array(r, struct foreign_class, r->n_classes);
    for (unsigned i = 0; i < r->n_classes; i++) {
        if (!map_class(r, json_array_get(classes, i), &r->classes[i]))
            return false;
    }
    return true;
}

int replica_new(struct db *db, const char *description, size_t n, struct replica **ret, struct err *e)
{
    struct replica *r = talloc_zero(NULL, struct replica);
    json_t *classes = json_loadb(description, n, 0, NULL);
    bool ok;

    if (!r)
        mem_abort();
    r->db = db;
    ok = map_model(r, classes);
    json_decref(classes);
    if (!ok) {
        replica_free(r);
        return err_internal(e, "the coordinator describes its database in a way that is not understood");
    }
    *ret = r;
    return 0;
}

void replica_begin(struct db *db)
{
    db->is_copy = true;
    db->generation = 0;
    db->tombstones.oldest = 0;
}

void replica_free(struct replica *r)
{
    talloc_free(r);
}

/* ---- one transaction ---- */

struct copying {
    struct replica *replica;
    struct txn *txn;
    struct batch_reader reader;
    void *mem;
};

static char *to_text(void *mem, const struct batch_value *v)
{
    return memchr(v->text, '\0', v->length) || !utf8_valid(v->text, v->length)
               ? NULL
               : talloc_strndup(mem, v->text, v->length);
}

static bool to_string(struct copying *c, const struct batch_value *v, union value *ret)
{
    ret->s = v->length == 0 ? "" : to_text(c->mem, v);
    return ret->s != NULL;
}

static bool to_collection(struct copying *c, struct foreign_field *f, const struct batch_value *v,
                          union value *ret)
{
    const char *empty = f->kind == KIND_SET ? "[]" : "{}";

    if (v->length == 2 && memcmp(v->text, empty, 2) == 0)
        return true;
    if (!f->last.text || f->last.length != v->length || memcmp(f->last.text, v->text, v->length) != 0) {
        talloc_free(f->last.text);
        f->last.text = to_text(c->replica, v);
        f->last.length = v->length;
        if (!f->last.text || !value_from_text(f->last.text, f->ours->type, f->last.text, &f->last.value)) {
            TALLOC_FREE(f->last.text);
            return false;
        }
    }
    *ret = f->last.value;
    return true;
}

/* The value as ours; false when this model has none like it. */
static bool to_value(struct copying *c, struct foreign_field *f, const struct batch_value *v,
                     union value *ret)
{
    *ret = (union value){0};
    switch (f->kind) {
    case KIND_STRING:
        return to_string(c, v, ret);
    case KIND_SET:
    case KIND_MAP:
        return to_collection(c, f, v, ret);
    case KIND_FLOAT:
        ret->f = v->f;
        return true;
    case KIND_REF:
        ret->r = v->ref;
        return true;
    case KIND_BOOL:
        ret->b = v->i != 0;
        return true;
    case KIND_ENUM:
        ret->i = v->i >= 0 && v->i < f->n_values ? f->values[v->i] : -1;
        return ret->i >= 0;
    default:
        ret->i = v->i;
        return true;
    }
}

/* So that what a row has already, as nearly all have when a snapshot is loaded again, costs no more than a
 * look. */
static bool has_text(const struct row *row, const struct foreign_field *f, const struct batch_value *v)
{
    const char *now = f->kind == KIND_STRING ? cell_load(row, f->ours).s : NULL;

    return now && strlen(now) == v->length && memcmp(now, v->text, v->length) == 0;
}

/* Read the values of a change into row; row NULL: only read past them. */
static void copy_values(struct copying *c, const struct batch_change *change, const struct row *row)
{
    const struct foreign_class *cls = &c->replica->classes[change->cls];

    for (unsigned i = 0; i < cls->n_fields && !c->reader.bad; i++) {
        struct foreign_field *f = &cls->fields[i];
        struct batch_value raw;
        union value v;

        if (!field_mask_has(&change->fields, i))
            continue;
        batch_next_value(&c->reader, f->kind, &raw);
        if (row && f->ours && !c->reader.bad && !has_text(row, f, &raw) && to_value(c, f, &raw, &v))
            db_set(c->txn, row, (unsigned)(f->ours - cls->ours->fields), v);
    }
    talloc_free_children(c->mem); /* between what stays, it would leave the heap full of holes */
}

/* The next change whose class has a number of the sender's. */
static bool next_change(struct copying *c, struct batch_change *ret)
{
    if (!batch_next(&c->reader, ret))
        return false;
    c->reader.bad = (unsigned)ret->cls >= c->replica->n_classes || ret->op < BATCH_INSERT ||
                    ret->op > BATCH_DELETE || ref_is_null(ret->ref);
    return !c->reader.bad;
}

/* ---- a commit repeated ---- */

static void repeat_change(struct copying *c, const struct batch_change *change)
{
    const struct model_class *ours = c->replica->classes[change->cls].ours;
    const struct row *row = ours ? db_get(c->replica->db, ours->id, change->ref) : NULL;

    if (ours && (change->op == BATCH_INSERT) != (row == NULL)) {
        c->reader.bad = true;
        return;
    }
    if (ours && change->op == BATCH_INSERT)
        row = db_create(c->txn, ours->id, change->ref);
    if (row && change->op == BATCH_DELETE)
        db_delete(c->txn, row);
    else if (row)
        db_touch(c->txn, row);
    copy_values(c, change, change->op == BATCH_DELETE ? NULL : row);
}

static int finish(struct copying *c, struct err *e)
{
    talloc_free(c->mem);
    if (!c->reader.bad)
        return db_commit(c->txn, e);
    db_abort(c->txn);
    return err_internal(e, "the coordinator sent a change that does not fit this copy of its database");
}

static struct copying begin(struct replica *r, const char *bytes, size_t n, uint64_t generation)
{
    struct copying c = {.replica = r, .txn = txn_begin_copy(r->db, generation), .mem = talloc_new(NULL)};

    batch_read_bytes(bytes, n, &c.reader);
    return c;
}

int replica_apply(struct replica *r, const char *batch, size_t n, uint64_t generation, struct err *e)
{
    struct batch_change change;
    struct copying c;

    if (generation != db_generation(r->db) + 1)
        return err_internal(e, "the coordinator sent generation %llu after %llu",
                            (unsigned long long)generation, (unsigned long long)db_generation(r->db));
    c = begin(r, batch, n, generation);
    while (next_change(&c, &change))
        repeat_change(&c, &change);
    return finish(&c, e);
}

/* ---- a snapshot ---- */

struct identity {
    enum model_class_id cls; /* ours */
    struct ref ref;
};

/* The rows that a snapshot holds. */
struct seen {
    struct identity *rows;
    size_t n, cap;
};

static int compare_identities(const void *a, const void *b)
{
    const struct identity *x = a, *y = b;

    if (x->cls != y->cls)
        return x->cls < y->cls ? -1 : 1;
    if (x->ref.hi != y->ref.hi)
        return x->ref.hi < y->ref.hi ? -1 : 1;
    return x->ref.lo < y->ref.lo ? -1 : x->ref.lo > y->ref.lo;
}

static void note_seen(struct seen *s, enum model_class_id cls, struct ref ref)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        s->rows = mem_resize(s->rows, s->cap * sizeof *s->rows);
    }
    s->rows[s->n++] = (struct identity){cls, ref};
}

static void load_row(struct copying *c, const struct batch_change *change, struct seen *seen)
{
    const struct model_class *ours = c->replica->classes[change->cls].ours;
    const struct row *row = NULL;

    if (ours) {
        row = db_get(c->replica->db, ours->id, change->ref);
        if (!row)
            row = db_create(c->txn, ours->id, change->ref);
        note_seen(seen, ours->id, change->ref);
    }
    copy_values(c, change, row);
}

static void delete_unseen(struct copying *c, struct seen *seen)
{
    if (seen->n > 0)
        qsort(seen->rows, seen->n, sizeof *seen->rows, compare_identities);
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        const struct row *row = model_classes[cls].stored ? db_first(c->replica->db, cls) : NULL, *next;

        for (; row; row = next) {
            struct identity key = {cls, row->ref};

            next = db_next(row);
            if (seen->n == 0 || !bsearch(&key, seen->rows, seen->n, sizeof key, compare_identities))
                db_delete(c->txn, row);
        }
    }
}

static size_t count_rows(struct db *db)
{
    size_t n = 0;

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++)
        n += model_classes[cls].stored ? db_count(db, cls) : 0;
    return n;
}

int replica_load(struct replica *r, const char *snapshot, size_t n, uint64_t generation, struct err *e)
{
    struct batch_change change;
    struct seen seen = {0};
    struct copying c;

    if (generation < db_generation(r->db))
        return err_internal(
            e, "the coordinator's database is of an earlier generation (%llu) than this copy (%llu)",
            (unsigned long long)generation, (unsigned long long)db_generation(r->db));
    c = begin(r, snapshot, n, generation);
    while (next_change(&c, &change))
        load_row(&c, &change, &seen);
    if (!c.reader.bad && count_rows(r->db) != seen.n)
        delete_unseen(&c, &seen);
    free(seen.rows);
    if (finish(&c, e) < 0)
        return -1;
    db_forget_deletions(r->db);
    return 0;
}
