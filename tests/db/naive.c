#include "tests/db/naive.h"
#include <check.h>
#include <stdlib.h>
#include <talloc.h>
#include "db/cell.h"
#include "tests/db/random_value.h"

/* Check's own assertions each write to a file, also when they hold: too slow for millions. */
#define agree(what)                    \
    do {                               \
        if (!(what))                   \
            ck_abort_msg("%s", #what); \
    } while (0)

void naive_init(struct naive *x, uint64_t generation)
{
    *x = (struct naive){.mem = talloc_new(NULL), .generation = generation};
}

void naive_fini(struct naive *x)
{
    free(x->rows);
    free(x->before);
    talloc_free(x->mem);
}

struct naive_row *naive_find(struct naive *x, enum model_class_id cls, struct ref ref)
{
    for (unsigned i = 0; i < x->n; i++) {
        if (!x->rows[i].dead && x->rows[i].cls == cls && ref_equal(x->rows[i].ref, ref))
            return &x->rows[i];
    }
    return NULL;
}

/* ---- changes ---- */

void naive_begin(struct naive *x)
{
    x->before = realloc(x->before, (x->cap + 1) * sizeof *x->before);
    x->n_before = x->n;
    if (x->n > 0)
        memcpy(x->before, x->rows, x->n * sizeof *x->before);
    x->touches = 0;
}

static void note_touch(struct naive *x, struct naive_row *row)
{
    if (!row->touched)
        row->change = x->touches++;
    row->touched = true;
}

void naive_create(struct naive *x, enum model_class_id cls, struct ref ref, const char *uuid)
{
    const struct model_class *c = &model_classes[cls];
    struct naive_row *row;

    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 16;
        x->rows = realloc(x->rows, x->cap * sizeof *x->rows);
    }
    row = &x->rows[x->n++];
    *row = (struct naive_row){.cls = cls, .ref = ref, .fresh = true};
    row->v = talloc_zero_array(x->mem, union value, c->n_fields);
    for (unsigned i = 0; i < c->n_fields; i++)
        row->v[i] = c->fields[i].initial;
    if (c->uuid_field >= 0)
        row->v[c->uuid_field].s = talloc_strdup(x->mem, uuid);
    note_touch(x, row);
}

void naive_set(struct naive *x, enum model_class_id cls, struct ref ref, unsigned field, union value v)
{
    const struct model_class *c = &model_classes[cls];
    struct naive_row *row = naive_find(x, cls, ref);
    union value *copy;

    if (value_equal(c->fields[field].type, row->v[field], v))
        return;
    copy = talloc_memdup(x->mem, row->v, c->n_fields * sizeof *copy);
    copy[field] = value_copy(x->mem, c->fields[field].type, v);
    row->v = copy;
    note_touch(x, row);
}

void naive_delete(struct naive *x, enum model_class_id cls, struct ref ref)
{
    struct naive_row *row = naive_find(x, cls, ref);

    note_touch(x, row);
    row->dead = true;
}

void naive_touch(struct naive *x, enum model_class_id cls, struct ref ref)
{
    struct naive_row *row = naive_find(x, cls, ref);

    note_touch(x, row);
    row->forced = true;
}

static bool same_values(const struct naive_row *a, const struct naive_row *b)
{
    const struct model_class *c = &model_classes[a->cls];

    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_has_cell(&c->fields[i]) && !value_equal(c->fields[i].type, a->v[i], b->v[i]))
            return false;
    }
    return true;
}

/* Is this row any different from before the transaction? */
static bool is_changed(struct naive *x, unsigned i)
{
    const struct naive_row *now = &x->rows[i], *before = i < x->n_before ? &x->before[i] : NULL;

    if (!now->touched || (!before && now->dead))
        return false;
    return !before || now->dead || now->forced || !same_values(now, before);
}

void naive_commit(struct naive *x)
{
    uint64_t gen = x->generation + 1;

    for (unsigned i = 0; i < x->n; i++) {
        struct naive_row *row = &x->rows[i];

        if (is_changed(x, i)) {
            row->modified = gen;
            row->created = row->fresh ? gen : row->created;
            x->generation = gen;
        } else if (row->touched && row->fresh) {
            row->modified = 0; /* came and went: never seen by anybody */
        } else if (row->touched) {
            row->change = x->before[i].change;
        }
        row->touched = false;
        row->fresh = false;
        row->forced = false;
    }
}

void naive_abort(struct naive *x)
{
    if (x->n_before > 0)
        memcpy(x->rows, x->before, x->n_before * sizeof *x->rows);
    x->n = x->n_before;
}

static void forget_memory_only(struct naive *x, struct naive_row *row, struct db *db)
{
    const struct model_class *c = &model_classes[row->cls];
    const struct row *now = db_get(db, row->cls, row->ref);
    union value *v = talloc_memdup(x->mem, row->v, c->n_fields * sizeof *v);

    for (unsigned i = 0; i < c->n_fields; i++) {
        if (!c->fields[i].persistent)
            v[i] = c->fields[i].initial;
    }
    row->v = v;
    agree(now);
    agree(now->modified <= row->modified);
    row->modified = now->modified;
}

void naive_restart(struct naive *x, struct db *db)
{
    unsigned n = 0;

    for (unsigned i = 0; i < x->n; i++) {
        if (x->rows[i].dead || !model_classes[x->rows[i].cls].persistent)
            continue;
        x->rows[n] = x->rows[i];
        forget_memory_only(x, &x->rows[n++], db);
    }
    x->n = n;
    x->generation = db_generation(db);
}

/* ---- comparing ---- */

static void compare_row(const struct naive_row *want, const struct row *row)
{
    const struct model_class *c = &model_classes[want->cls];

    agree(row);
    agree(ref_equal(row->ref, want->ref) && row->cls == want->cls);
    agree(row->created == want->created);
    agree(row->modified == want->modified);
    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];

        if (field_has_cell(f))
            agree(value_equal(f->type, cell_load(row, f), want->v[i]));
    }
}

static void compare_class(struct naive *x, struct db *db, enum model_class_id cls)
{
    const struct row *row = db_first(db, cls);
    unsigned n = 0;

    for (unsigned i = 0; i < x->n; i++) {
        const struct naive_row *want = &x->rows[i];

        if (want->cls != cls)
            continue;
        if (want->dead) {
            if (!naive_find(x, cls, want->ref))
                agree(!db_get(db, cls, want->ref));
            continue;
        }
        compare_row(want, row);
        agree(db_get(db, cls, want->ref) == row);
        row = db_next(row);
        n++;
    }
    agree(!row);
    agree(db_count(db, cls) == n);
}

static bool points_at(const struct naive_row *row, unsigned field, struct ref target)
{
    const struct model_type *t = model_classes[row->cls].fields[field].type;

    if (t->kind == KIND_REF)
        return ref_equal(row->v[field].r, target);
    return set_has_ref(row->v[field].set, target);
}

static void compare_referrers(struct naive *x, struct db *db, enum model_class_id cls, unsigned field,
                              struct ref target)
{
    void *mem = talloc_new(NULL);
    const struct set *set = db_referrers(db, mem, cls, field, target);
    const struct row *row = db_first_referrer(db, cls, field, target);
    uint32_t n = 0;

    for (unsigned i = 0; i < x->n; i++) {
        const struct naive_row *want = &x->rows[i];

        if (want->dead || want->cls != cls || !points_at(want, field, target))
            continue;
        agree(n < set_count(set));
        agree(ref_equal(set->v[n++].r, want->ref));
        agree(row);
        agree(ref_equal(row->ref, want->ref));
        row = db_next_referrer(db, row, field, target);
    }
    agree(!row);
    agree(n == set_count(set));
    talloc_free(mem);
}

static bool is_relation(const struct model_field *f)
{
    return field_has_cell(f) &&
           (f->type->kind == KIND_REF || (f->type->kind == KIND_SET && f->type->elem->kind == KIND_REF));
}

static void compare_relations(struct naive *x, struct db *db, enum model_class_id cls)
{
    const struct model_class *c = &model_classes[cls];

    for (unsigned i = 0; i < c->n_fields; i++) {
        for (unsigned r = 1; is_relation(&c->fields[i]) && r <= DICE_REFS; r++)
            compare_referrers(x, db, cls, i, (struct ref){.hi = 0xabcdef, .lo = r});
    }
}

/* The rows with this text in this field, against a set of references. */
static void compare_text(struct naive *x, enum model_class_id cls, int field, const char *text,
                         const struct set *set)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < x->n; i++) {
        const struct naive_row *want = &x->rows[i];

        if (want->dead || want->cls != cls || strcmp(want->v[field].s ? want->v[field].s : "", text) != 0)
            continue;
        agree(n < set_count(set));
        agree(ref_equal(set->v[n++].r, want->ref));
    }
    agree(n == set_count(set));
}

static void compare_names(struct naive *x, struct db *db, enum model_class_id cls)
{
    const struct model_class *c = &model_classes[cls];
    void *mem = talloc_new(NULL);

    for (unsigned i = 0; i < x->n; i++) {
        const struct naive_row *row = &x->rows[i];

        if (row->cls != cls)
            continue;
        if (c->name_field >= 0 && row->v[c->name_field].s)
            compare_text(x, cls, c->name_field, row->v[c->name_field].s,
                         db_get_by_name_label(db, mem, cls, row->v[c->name_field].s));
        if (c->uuid_field >= 0 && !row->dead)
            agree(
                strcmp(
                    cell_load(db_get_by_uuid(db, cls, row->v[c->uuid_field].s), &c->fields[c->uuid_field]).s,
                    row->v[c->uuid_field].s) == 0);
    }
    if (c->name_field >= 0)
        compare_text(x, cls, c->name_field, "", db_get_by_name_label(db, mem, cls, ""));
    talloc_free(mem);
}

void naive_compare_all(struct naive *x, struct db *db)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        if (!model_classes[cls].stored)
            continue;
        compare_class(x, db, cls);
        if (db_count(db, cls) == 0)
            continue;
        compare_relations(x, db, cls);
        compare_names(x, db, cls);
    }
}

/* ---- changes ---- */

struct expected {
    struct naive_row **list;
    unsigned n, at;
};

static int by_change(const void *a, const void *b)
{
    const struct naive_row *x = *(struct naive_row *const *)a, *y = *(struct naive_row *const *)b;

    if (x->modified != y->modified)
        return x->modified < y->modified ? -1 : 1;
    if (x->dead != y->dead)
        return x->dead ? 1 : -1;
    return x->change < y->change ? -1 : x->change > y->change;
}

static void compare_change(const struct db_change *c, void *arg)
{
    struct expected *want = arg;
    const struct naive_row *row;

    agree(want->at < want->n);
    row = want->list[want->at++];
    agree(ref_equal(c->ref, row->ref) && c->cls == row->cls);
    agree(c->changed == row->modified);
    agree(c->created == row->created);
    agree(!c->row == row->dead);
}

void naive_compare_changes(struct naive *x, struct db *db, uint64_t since)
{
    struct expected want = {.list = malloc((x->n + 1) * sizeof(struct naive_row *))};

    for (unsigned i = 0; i < x->n; i++) {
        if (x->rows[i].modified > since)
            want.list[want.n++] = &x->rows[i];
    }
    qsort(want.list, want.n, sizeof(struct naive_row *), by_change);
    db_changes_since(db, since, compare_change, &want);
    agree(want.at == want.n);
    free(want.list);
}
