#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/db_private.h"
#include "lib/mem.h"

/* ---- making and freeing ---- */

bool field_is_shared(const struct model_class *c, unsigned field)
{
    return (int)field != c->uuid_field;
}

static struct row *blank_new(struct db *db, enum model_class_id cls)
{
    const struct model_class *c = &model_classes[cls];
    struct row *row;

    if (!c->stored)
        db_die("the class %s has no rows", c->name);
    row = mem_zalloc(c->row_size);
    row->cls = cls;
    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];

        if (field_has_cell(f))
            cell_store(row, f, cell_own(&db->pool, f->type, f->initial, true));
    }
    return row;
}

struct row *row_new(struct db *db, enum model_class_id cls, struct ref ref)
{
    const struct model_class *c = &model_classes[cls];
    struct row **blank = &db->classes[cls].blank, *row;

    if (!*blank)
        *blank = blank_new(db, cls);
    row = mem_resize(NULL, c->row_size);
    memcpy((void *)row, *blank, c->row_size);
    row->ref = ref;
    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];

        if (field_has_cell(f) && cell_is_counted(f->type))
            cell_ref(f->type, cell_load(row, f));
    }
    return row;
}

void row_free(struct db *db, struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];

    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];

        if (field_has_cell(f) && cell_is_counted(f->type))
            cell_drop(&db->pool, f->type, cell_load(row, f));
    }
    free(row);
}

/* Give the rows of a class small numbers again; their sequence, which the indexes rely on, stays. */
static void renumber(struct class_rows *rows)
{
    struct row *row;

    rows->last_order = 0;
    TAILQ_FOREACH (row, &rows->rows, in_class)
        row->order = ++rows->last_order;
}

void row_enter(struct db *db, struct row *row)
{
    struct class_rows *rows = &db->classes[row->cls];

    if (rows->last_order == UINT32_MAX)
        renumber(rows);
    row->order = ++rows->last_order;
    TAILQ_INSERT_TAIL(&rows->rows, row, in_class);
    rows->count++;
    index_add_row(&db->index, row);
}

void row_unlink(struct db *db, struct row *row)
{
    TAILQ_REMOVE(&db->classes[row->cls].rows, row, in_class);
}

/* ---- reading ---- */

const struct row *db_get(struct db *db, enum model_class_id cls, struct ref ref)
{
    return index_by_ref(&db->index, cls, ref);
}

const struct row *db_get_by_uuid(struct db *db, enum model_class_id cls, const char *uuid)
{
    return index_by_uuid(&db->index, cls, uuid);
}

static const struct row *skip_deleted(const struct row *row)
{
    while (row && row->deleted)
        row = TAILQ_NEXT(row, in_class);
    return row;
}

const struct row *db_first(struct db *db, enum model_class_id cls)
{
    return skip_deleted(TAILQ_FIRST(&db->classes[cls].rows));
}

const struct row *db_next(const struct row *row)
{
    return skip_deleted(TAILQ_NEXT(row, in_class));
}

uint32_t db_count(struct db *db, enum model_class_id cls)
{
    return db->classes[cls].count;
}

static const struct set *refs_of(void *ctx, struct row *const *rows, uint32_t n)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + n * sizeof s->v[0]);

    if (!s)
        mem_abort();
    s->n = n;
    for (uint32_t i = 0; i < n; i++)
        s->v[i].r = rows[i]->ref;
    return s;
}

const struct set *db_referrers(struct db *db, void *ctx, enum model_class_id cls, unsigned field,
                               struct ref target)
{
    uint32_t n;
    struct row *const *rows = index_by_target(&db->index, cls, field, target, &n);

    return refs_of(ctx, rows, n);
}

const struct row *db_first_referrer(struct db *db, enum model_class_id cls, unsigned field, struct ref target)
{
    uint32_t n;
    struct row *const *rows = index_by_target(&db->index, cls, field, target, &n);

    return n > 0 ? rows[0] : NULL;
}

const struct row *db_next_referrer(struct db *db, const struct row *row, unsigned field, struct ref target)
{
    uint32_t n, at;
    struct row *const *rows = index_by_target(&db->index, row->cls, field, target, &n);

    at = index_position(rows, n, row->order + 1);
    return at < n ? rows[at] : NULL;
}

const struct set *db_get_by_name_label(struct db *db, void *ctx, enum model_class_id cls, const char *name)
{
    uint32_t n;
    struct row *const *rows = index_by_name(&db->index, cls, name, &n);

    return refs_of(ctx, rows, n);
}

union value db_field(struct db *db, void *ctx, const struct row *row, const struct model_field *f)
{
    if (f->derived)
        return (union value){.set = db_referrers(db, ctx, f->of_class, f->of_field, row->ref)};
    return field_has_cell(f) ? cell_load(row, f) : f->initial;
}
