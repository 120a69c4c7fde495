#include "db/index.h"
#include <stdlib.h>
#include <string.h>
#include "db/cell.h"
#include "lib/mem.h"

/* Rows of a class that share a key. One row is kept in place; more in an array with free room at either end,
 * so that the oldest and the newest come and go without moving the others. */
struct group {
    struct ref target; /* null for names */
    uint16_t cls, field;
    uint32_t n, cap, first;
    union {
        struct row *one;
        struct row **many; /* when cap > 0 */
    };
};

/* What a group is looked up by. */
struct group_key {
    enum model_class_id cls;
    unsigned field;
    struct ref target;
    const char *name; /* NULL: by target */
};

static uint32_t key_hash(const struct group_key *k)
{
    uint64_t start = (uint64_t)k->cls << 16 | k->field;

    return (uint32_t)(k->name ? hash_bytes(k->name, strlen(k->name), start) : hash_ref(k->target, start));
}

static struct row **group_rows(struct group *g)
{
    return g->cap > 0 ? g->many + g->first : &g->one;
}

static const char *row_name(const struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];

    return cell_load(row, &c->fields[c->name_field]).s;
}

static struct group *group_find(const struct index *x, const struct group_key *k, uint32_t hash)
{
    struct group *g;
    uint32_t at = 0;

    while ((g = table_each(&x->groups, hash, &at))) {
        if (g->cls != k->cls || g->field != k->field || !ref_equal(g->target, k->target))
            continue;
        if (!k->name || strcmp(row_name(group_rows(g)[0]), k->name) == 0)
            return g;
    }
    return NULL;
}

uint32_t index_position(struct row *const *rows, uint32_t n, uint32_t order)
{
    uint32_t low = 0, high = n;

    if (n > 0 && rows[n - 1]->order < order)
        return n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (rows[middle]->order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Move the rows to a new array with free room at both ends. */
static void group_resize(struct group *g)
{
    uint32_t cap = g->n < 3 ? 4 : g->n + g->n / 2 + 1, first = (cap - g->n) / 2;
    struct row **many = mem_resize(NULL, cap * sizeof(struct row *));

    memcpy(many + first, group_rows(g), g->n * sizeof(struct row *));
    if (g->cap > 0)
        free(g->many);
    g->many = many;
    g->cap = cap;
    g->first = first;
}

/* Whichever part is the shorter one moves. */
static void group_insert(struct group *g, uint32_t at, struct row *row)
{
    bool front = at < g->n / 2;
    struct row **rows;

    if (g->cap == 0 || (front ? g->first == 0 : g->first + g->n == g->cap))
        group_resize(g);
    if (front)
        g->first--;
    rows = group_rows(g);
    if (front)
        memmove(rows, rows + 1, at * sizeof(struct row *));
    else
        memmove(rows + at + 1, rows + at, (g->n - at) * sizeof(struct row *));
    rows[at] = row;
    g->n++;
}

static void group_cut(struct group *g, uint32_t at)
{
    struct row **rows = group_rows(g);

    if (at < g->n / 2) {
        memmove(rows + 1, rows, at * sizeof(struct row *));
        g->first++;
    } else {
        memmove(rows + at, rows + at + 1, (g->n - at - 1) * sizeof(struct row *));
    }
    g->n--;
    if (g->cap > 16 && g->n < g->cap / 4)
        group_resize(g);
}

static void group_add(struct index *x, const struct group_key *k, struct row *row)
{
    uint32_t hash = key_hash(k), at;
    struct group *g = group_find(x, k, hash);

    if (!g) {
        g = mem_zalloc(sizeof *g);
        *g = (struct group){
            .target = k->target, .cls = (uint16_t)k->cls, .field = (uint16_t)k->field, .n = 1, .one = row};
        table_add(&x->groups, hash, g);
        return;
    }
    at = index_position(group_rows(g), g->n, row->order);
    if (at == g->n || group_rows(g)[at] != row)
        group_insert(g, at, row);
}

static void group_free(struct group *g)
{
    if (g->cap > 0)
        free(g->many);
    free(g);
}

static void group_remove(struct index *x, const struct group_key *k, struct row *row)
{
    uint32_t hash = key_hash(k), at;
    struct group *g = group_find(x, k, hash);

    if (!g)
        return;
    at = index_position(group_rows(g), g->n, row->order);
    if (at == g->n || group_rows(g)[at] != row)
        return;
    if (g->n > 1) {
        group_cut(g, at);
        return;
    }
    table_remove(&x->groups, hash, g);
    group_free(g);
}

/* ---- fields ---- */

typedef void group_change(struct index *x, const struct group_key *k, struct row *row);

static void change_target(struct index *x, struct row *row, unsigned field, struct ref target,
                          group_change *change)
{
    if (!ref_is_null(target))
        change(x, &(struct group_key){.cls = row->cls, .field = field, .target = target}, row);
}

static void change_groups(struct index *x, struct row *row, const struct model_field *f, group_change *change)
{
    const struct model_class *c = &model_classes[row->cls];
    unsigned field = (unsigned)(f - c->fields);

    if (f->type->kind == KIND_REF)
        change_target(x, row, field, cell_load(row, f).r, change);
    if (f->type->kind == KIND_SET && f->type->elem->kind == KIND_REF) {
        const struct set *s = cell_load(row, f).set;

        for (uint32_t i = 0; i < set_count(s); i++)
            change_target(x, row, field, s->v[i].r, change);
    }
    if ((int)field == c->name_field)
        change(x, &(struct group_key){.cls = row->cls, .field = field, .name = cell_load(row, f).s}, row);
}

static uint32_t uuid_hash(enum model_class_id cls, const char *uuid)
{
    return (uint32_t)hash_bytes(uuid, strlen(uuid), cls);
}

static bool is_uuid(const struct row *row, const struct model_field *f)
{
    const struct model_class *c = &model_classes[row->cls];

    return f - c->fields == c->uuid_field;
}

void index_add_field(struct index *x, struct row *row, const struct model_field *f)
{
    if (!field_has_cell(f))
        return;
    if (is_uuid(row, f))
        table_add(&x->by_uuid, uuid_hash(row->cls, cell_load(row, f).s), row);
    else
        change_groups(x, row, f, group_add);
}

void index_remove_field(struct index *x, struct row *row, const struct model_field *f)
{
    if (!field_has_cell(f))
        return;
    if (is_uuid(row, f))
        table_remove(&x->by_uuid, uuid_hash(row->cls, cell_load(row, f).s), row);
    else
        change_groups(x, row, f, group_remove);
}

/* ---- rows ---- */

static uint32_t ref_hash(enum model_class_id cls, struct ref ref)
{
    return (uint32_t)hash_ref(ref, cls);
}

void index_add_row(struct index *x, struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];

    table_add(&x->by_ref, ref_hash(row->cls, row->ref), row);
    for (unsigned i = 0; i < c->n_fields; i++)
        index_add_field(x, row, &c->fields[i]);
}

void index_remove_row(struct index *x, struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];

    table_remove(&x->by_ref, ref_hash(row->cls, row->ref), row);
    for (unsigned i = 0; i < c->n_fields; i++)
        index_remove_field(x, row, &c->fields[i]);
}

struct row *index_by_ref(const struct index *x, enum model_class_id cls, struct ref ref)
{
    struct row *row;
    uint32_t at = 0, hash = ref_hash(cls, ref);

    while ((row = table_each(&x->by_ref, hash, &at))) {
        if (row->cls == cls && ref_equal(row->ref, ref))
            return row;
    }
    return NULL;
}

struct row *index_by_uuid(const struct index *x, enum model_class_id cls, const char *uuid)
{
    const struct model_class *c = &model_classes[cls];
    struct row *row, *first = NULL;
    uint32_t at = 0, hash = uuid_hash(cls, uuid);

    while (c->uuid_field >= 0 && (row = table_each(&x->by_uuid, hash, &at))) {
        if (row->cls != cls || strcmp(cell_load(row, &c->fields[c->uuid_field]).s, uuid) != 0)
            continue;
        if (!first || row->order < first->order)
            first = row;
    }
    return first;
}

static struct row *const *group_lookup(const struct index *x, const struct group_key *k, uint32_t *ret_n)
{
    struct group *g = group_find(x, k, key_hash(k));

    *ret_n = g ? g->n : 0;
    return g ? group_rows(g) : NULL;
}

struct row *const *index_by_name(const struct index *x, enum model_class_id cls, const char *name,
                                 uint32_t *ret_n)
{
    int field = model_classes[cls].name_field;
    struct group_key k = {.cls = cls, .field = (unsigned)field, .name = name};

    *ret_n = 0;
    return field < 0 ? NULL : group_lookup(x, &k, ret_n);
}

struct row *const *index_by_target(const struct index *x, enum model_class_id cls, unsigned field,
                                   struct ref target, uint32_t *ret_n)
{
    return group_lookup(x, &(struct group_key){.cls = cls, .field = field, .target = target}, ret_n);
}

void index_fini(struct index *x)
{
    for (uint32_t i = 0; x->groups.items && i <= x->groups.mask; i++) {
        if (x->groups.items[i])
            group_free(x->groups.items[i]);
    }
    table_fini(&x->groups);
    table_fini(&x->by_uuid);
    table_fini(&x->by_ref);
}
