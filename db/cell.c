#include "db/cell.h"
#include <stdlib.h>
#include <string.h>
#include "model/member.h"
#include "lib/mem.h"

/* The head of a block; the value's bytes follow. */
struct block {
    uint32_t refs;
    uint32_t hash;                 /* 0: not shared */
    const struct model_type *type; /* NULL: text */
    char bytes[];
};

static const char empty_text[] = "";

/* ---- cells ---- */

static inline const void *cell_at(const struct row *row, const struct model_field *f)
{
    return (const char *)row + f->offset;
}

union value cell_load(const struct row *row, const struct model_field *f)
{
    return member_load(cell_at(row, f), f->type);
}

void cell_store(struct row *row, const struct model_field *f, union value v)
{
    member_store((char *)row + f->offset, f->type, v);
}

/* ---- building a block ---- */

static size_t align8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* The bytes that v needs outside of its own union value. */
static size_t flat_size(const struct model_type *t, union value v)
{
    size_t n = 0;

    if (t->kind == KIND_STRING)
        return v.s && *v.s ? align8(strlen(v.s) + 1) : 0;
    if (t->kind == KIND_SET && set_count(v.set) > 0) {
        n = sizeof *v.set + v.set->n * sizeof v.set->v[0];
        for (uint32_t i = 0; i < v.set->n; i++)
            n += flat_size(t->elem, v.set->v[i]);
    }
    if (t->kind == KIND_MAP && map_count(v.map) > 0) {
        n = sizeof *v.map + v.map->n * sizeof v.map->e[0];
        for (uint32_t i = 0; i < v.map->n; i++)
            n += flat_size(t->key, v.map->e[i].k) + flat_size(t->elem, v.map->e[i].v);
    }
    return n;
}

static void *take(char **at, size_t n)
{
    void *p = *at;

    *at += align8(n);
    return p;
}

/* Copy v, placing what it points at from *at on. */
static union value flat_copy(const struct model_type *t, union value v, char **at);

static union value flat_copy_text(union value v, char **at)
{
    size_t n;

    if (!v.s || !*v.s)
        return (union value){.s = empty_text};
    n = strlen(v.s) + 1;
    return (union value){.s = memcpy(take(at, n), v.s, n)};
}

static union value flat_copy_set(const struct model_type *t, union value v, char **at)
{
    struct set *s;

    if (set_count(v.set) == 0)
        return (union value){.set = NULL};
    s = take(at, sizeof *s + v.set->n * sizeof s->v[0]);
    s->n = v.set->n;
    for (uint32_t i = 0; i < s->n; i++)
        s->v[i] = flat_copy(t->elem, v.set->v[i], at);
    return (union value){.set = s};
}

static union value flat_copy_map(const struct model_type *t, union value v, char **at)
{
    struct map *m;

    if (map_count(v.map) == 0)
        return (union value){.map = NULL};
    m = take(at, sizeof *m + v.map->n * sizeof m->e[0]);
    m->n = v.map->n;
    for (uint32_t i = 0; i < m->n; i++) {
        m->e[i].k = flat_copy(t->key, v.map->e[i].k, at);
        m->e[i].v = flat_copy(t->elem, v.map->e[i].v, at);
    }
    return (union value){.map = m};
}

static union value flat_copy(const struct model_type *t, union value v, char **at)
{
    if (t->kind == KIND_STRING)
        return flat_copy_text(v, at);
    if (t->kind == KIND_SET)
        return flat_copy_set(t, v, at);
    if (t->kind == KIND_MAP)
        return flat_copy_map(t, v, at);
    return v;
}

static struct block *block_new(struct cell_pool *pool, const struct model_type *t, union value v)
{
    size_t size = t->kind == KIND_STRING ? strlen(v.s) + 1 : flat_size(t, v);
    struct block *b = mem_resize(NULL, sizeof *b + align8(size));
    char *at = b->bytes;

    b->refs = 1;
    b->type = t->kind == KIND_STRING ? NULL : t;
    b->hash = 0;
    flat_copy(t, v, &at);
    pool->n_blocks++;
    return b;
}

/* ---- sharing ---- */

static uint64_t hash_value(const struct model_type *t, union value v, uint64_t h)
{
    switch (t->kind) {
    case KIND_STRING:
        return v.s ? hash_bytes(v.s, strlen(v.s), h) : hash_u64(0, h);
    case KIND_FLOAT:
        return hash_u64(v.f == 0 ? 0 : (uint64_t)v.i, h);
    case KIND_BOOL:
        return hash_u64(v.b, h);
    case KIND_REF:
        return hash_ref(v.r, h);
    case KIND_SET:
        for (uint32_t i = 0; i < set_count(v.set); i++)
            h = hash_value(t->elem, v.set->v[i], h);
        return hash_u64(set_count(v.set), h);
    case KIND_MAP:
        for (uint32_t i = 0; i < map_count(v.map); i++)
            h = hash_value(t->elem, v.map->e[i].v, hash_value(t->key, v.map->e[i].k, h));
        return hash_u64(map_count(v.map), h);
    default:
        return hash_u64((uint64_t)v.i, h);
    }
}

static union value block_value(const struct model_type *t, const struct block *b)
{
    if (t->kind == KIND_SET)
        return (union value){.set = (const struct set *)(const void *)b->bytes};
    if (t->kind == KIND_MAP)
        return (union value){.map = (const struct map *)(const void *)b->bytes};
    return (union value){.s = b->bytes};
}

static struct block *value_block(union value v)
{
    return (struct block *)(void *)((char *)(uintptr_t)v.s - offsetof(struct block, bytes));
}

static struct block *find_equal(struct cell_pool *pool, const struct model_type *t, union value v,
                                uint32_t hash)
{
    const struct model_type *key = t->kind == KIND_STRING ? NULL : t;
    struct block *b;
    uint32_t at = 0;

    while ((b = table_each(&pool->shared, hash, &at))) {
        if (b->type == key && value_equal(t, block_value(t, b), v))
            return b;
    }
    return NULL;
}

static bool is_empty(const struct model_type *t, union value v)
{
    if (t->kind == KIND_STRING)
        return !v.s || !*v.s;
    return t->kind == KIND_SET ? set_count(v.set) == 0 : map_count(v.map) == 0;
}

union value cell_own(struct cell_pool *pool, const struct model_type *t, union value v, bool share)
{
    struct block *b;
    uint32_t hash;

    if (!cell_is_counted(t))
        return v;
    if (is_empty(t, v))
        return t->kind == KIND_STRING ? (union value){.s = empty_text} : (union value){.s = NULL};
    if (!share)
        return block_value(t, block_new(pool, t, v));
    hash = (uint32_t)hash_value(t, v, t->kind) | 1;
    b = find_equal(pool, t, v, hash);
    if (b) {
        b->refs++;
        return block_value(t, b);
    }
    b = block_new(pool, t, v);
    b->hash = hash;
    table_add(&pool->shared, hash, b);
    return block_value(t, b);
}

void cell_ref(const struct model_type *t, union value v)
{
    if (cell_is_counted(t) && !is_empty(t, v))
        value_block(v)->refs++;
}

void cell_drop(struct cell_pool *pool, const struct model_type *t, union value v)
{
    struct block *b;

    if (!cell_is_counted(t) || is_empty(t, v))
        return;
    b = value_block(v);
    if (--b->refs > 0)
        return;
    if (b->hash != 0)
        table_remove(&pool->shared, b->hash, b);
    pool->n_blocks--;
    free(b);
}

void cell_pool_fini(struct cell_pool *pool)
{
    table_fini(&pool->shared);
}
