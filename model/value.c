/* Sets and maps, and what can be done to values of any type. */
#include "model/value.h"

#include <stdarg.h>
#include <talloc.h>
#include "lib/mem.h"
#include "model/model.h"

static const char *text_of(const char *s)
{
    return s ? s : "";
}

/* Memory for n bytes on ctx, or the end of the process. */
static void *must_alloc(void *ctx, size_t n)
{
    void *p = talloc_size(ctx, n);
    if (!p)
        mem_abort();
    return p;
}

static struct set *set_alloc(void *ctx, uint32_t n)
{
    struct set *s = must_alloc(ctx, sizeof(*s) + n * sizeof(s->v[0]));
    s->n = n;
    return s;
}

static struct map *map_alloc(void *ctx, uint32_t n)
{
    struct map *m = must_alloc(ctx, sizeof(*m) + n * sizeof(m->e[0]));
    m->n = n;
    return m;
}

/* ---- comparing ---- */

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* NaN counts as equal to itself and below all else, so that sorting and equality stay orders. */
static int compare_floats(double a, double b)
{
    if (a != a || b != b)
        return (a == a) - (b == b);
    return COMPARE(a, b);
}

static int compare_sets(const struct model_type *t, const struct set *a, const struct set *b)
{
    uint32_t na = set_count(a), nb = set_count(b);
    for (uint32_t i = 0; i < na && i < nb; i++) {
        int order = value_compare(t->elem, a->v[i], b->v[i]);
        if (order)
            return order;
    }
    return COMPARE(na, nb);
}

static int compare_maps(const struct model_type *t, const struct map *a, const struct map *b)
{
    uint32_t na = map_count(a), nb = map_count(b);
    for (uint32_t i = 0; i < na && i < nb; i++) {
        int order = value_compare(t->key, a->e[i].k, b->e[i].k);
        if (!order)
            order = value_compare(t->elem, a->e[i].v, b->e[i].v);
        if (order)
            return order;
    }
    return COMPARE(na, nb);
}

/* The order of two values of type t: bytewise for text, numerical for numbers, member by member for sets and
 * maps. */
int value_compare(const struct model_type *t, union value a, union value b)
{
    switch (t->kind) {
    case KIND_STRING:
        return strcmp(text_of(a.s), text_of(b.s));
    case KIND_INT:
    case KIND_DATETIME:
    case KIND_ENUM:
        return COMPARE(a.i, b.i);
    case KIND_FLOAT:
        return compare_floats(a.f, b.f);
    case KIND_BOOL:
        return COMPARE(a.b, b.b);
    case KIND_REF:
        return a.r.hi != b.r.hi ? COMPARE(a.r.hi, b.r.hi) : COMPARE(a.r.lo, b.r.lo);
    case KIND_SET:
        return compare_sets(t, a.set, b.set);
    case KIND_MAP:
        return compare_maps(t, a.map, b.map);
    case KIND_VOID:
    case KIND_RECORD:
    case KIND_OPTION:
        return 0;
    }
    return 0;
}

bool value_equal(const struct model_type *t, union value a, union value b)
{
    return value_compare(t, a, b) == 0;
}

/* ---- copying: one block of memory a value, however deep ---- */

static size_t rounded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* The bytes that v needs beyond the union itself. */
static size_t block_size(const struct model_type *t, union value v)
{
    size_t n = 0;
    if (t->kind == KIND_STRING)
        return rounded(strlen(text_of(v.s)) + 1);
    if (t->kind == KIND_SET && v.set) {
        n = rounded(sizeof(*v.set) + v.set->n * sizeof(v.set->v[0]));
        for (uint32_t i = 0; i < v.set->n; i++)
            n += block_size(t->elem, v.set->v[i]);
    }
    if (t->kind == KIND_MAP && v.map) {
        n = rounded(sizeof(*v.map) + v.map->n * sizeof(v.map->e[0]));
        for (uint32_t i = 0; i < v.map->n; i++)
            n += block_size(t->key, v.map->e[i].k) + block_size(t->elem, v.map->e[i].v);
    }
    return n;
}

static void *take_block(char **at, size_t n)
{
    void *p = *at;
    *at += rounded(n);
    return p;
}

/* Copy v into the block at *at, moving *at on. */
static union value place(const struct model_type *t, union value v, char **at)
{
    if (t->kind == KIND_STRING) {
        size_t n = strlen(text_of(v.s)) + 1;
        v.s = memcpy(take_block(at, n), text_of(v.s), n);
    }
    if (t->kind == KIND_SET && v.set) {
        struct set *s = take_block(at, sizeof(*s) + v.set->n * sizeof(s->v[0]));
        s->n = v.set->n;
        for (uint32_t i = 0; i < s->n; i++)
            s->v[i] = place(t->elem, v.set->v[i], at);
        v.set = s;
    }
    if (t->kind == KIND_MAP && v.map) {
        struct map *m = take_block(at, sizeof(*m) + v.map->n * sizeof(m->e[0]));
        m->n = v.map->n;
        for (uint32_t i = 0; i < m->n; i++) {
            m->e[i].k = place(t->key, v.map->e[i].k, at);
            m->e[i].v = place(t->elem, v.map->e[i].v, at);
        }
        v.map = m;
    }
    return v;
}

/* A deep copy of v on ctx, in one block: freeing the string, set or map frees all of it. */
union value value_copy(void *ctx, const struct model_type *t, union value v)
{
    size_t n = block_size(t, v);
    if (n == 0)
        return v;
    char *at = must_alloc(ctx, n);
    return place(t, v, &at);
}

/* ---- sets ---- */

/* Replace the shallow set s (on ctx) by a deep copy. */
static struct set *deepen_set(void *ctx, const struct model_type *t, struct set *s)
{
    union value copy = value_copy(ctx, t, (union value){.set = s});
    talloc_free(s);
    return (struct set *)copy.set;
}

/* The place of v in s, or the count when it is not there. */
static uint32_t set_find(const struct model_type *t, const struct set *s, union value v)
{
    uint32_t i = 0;
    while (i < set_count(s) && value_compare(t->elem, s->v[i], v) != 0)
        i++;
    return i;
}

/* s and v, unless v is there already. */
static struct set *set_with(void *ctx, const struct model_type *t, const struct set *s, union value v)
{
    uint32_t n = set_count(s);
    bool there = set_find(t, s, v) < n;
    struct set *result = set_alloc(ctx, n + !there);
    for (uint32_t i = 0; i < n; i++)
        result->v[i] = s->v[i];
    if (!there)
        result->v[n] = v;
    return deepen_set(ctx, t, result);
}

/* s without every v in it. */
static struct set *set_without(void *ctx, const struct model_type *t, const struct set *s, union value v)
{
    struct set *result = set_alloc(ctx, set_count(s));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set_count(s); i++)
        if (value_compare(t->elem, s->v[i], v) != 0)
            result->v[kept++] = s->v[i];
    result->n = kept;
    return deepen_set(ctx, t, result);
}

static const struct model_type ref_type = {.kind = KIND_REF};
static const struct model_type ref_set_type = {.kind = KIND_SET, .elem = &ref_type};

/* A set of the n strings that follow, in that order. */
struct set *set_of_strings(void *ctx, unsigned n, ...)
{
    struct set *s = set_alloc(ctx, n);
    va_list args;
    va_start(args, n);
    for (unsigned i = 0; i < n; i++)
        s->v[i].s = va_arg(args, const char *);
    va_end(args);
    return deepen_set(ctx, &model_type_string_set, s);
}

bool set_has_string(const struct set *s, const char *text)
{
    return set_find(&model_type_string_set, s, (union value){.s = text}) < set_count(s);
}

struct set *set_with_string(void *ctx, const struct set *s, const char *text)
{
    return set_with(ctx, &model_type_string_set, s, (union value){.s = text});
}

struct set *set_without_string(void *ctx, const struct set *s, const char *text)
{
    return set_without(ctx, &model_type_string_set, s, (union value){.s = text});
}

bool set_has_ref(const struct set *s, struct ref r)
{
    return set_find(&ref_set_type, s, (union value){.r = r}) < set_count(s);
}

/* A set of n references, in their order. */
struct set *set_of_refs(void *ctx, const struct ref *refs, uint32_t n)
{
    struct set *s = set_alloc(ctx, n);
    for (uint32_t i = 0; i < n; i++)
        s->v[i].r = refs[i];
    return s;
}

struct set *set_with_ref(void *ctx, const struct set *s, struct ref r)
{
    return set_with(ctx, &ref_set_type, s, (union value){.r = r});
}

struct set *set_without_ref(void *ctx, const struct set *s, struct ref r)
{
    return set_without(ctx, &ref_set_type, s, (union value){.r = r});
}

/* ---- maps ---- */

/* The place of a text key, or where it would have to stand; *ret_found says which. */
static uint32_t map_place(const struct map *m, const char *key, bool *ret_found)
{
    uint32_t low = 0, high = map_count(m);
    *ret_found = false;
    while (low < high && !*ret_found) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(key, text_of(m->e[middle].k.s));
        *ret_found = order == 0;
        if (order <= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

/* The text of a key, or NULL when it is absent; a value that is NULL reads as "". */
const char *map_get(const struct map *m, const char *key)
{
    bool found;
    uint32_t i = map_place(m, key, &found);
    return found ? text_of(m->e[i].v.s) : NULL;
}

static struct map *deepen_map(void *ctx, struct map *m)
{
    union value copy = value_copy(ctx, &model_type_string_map, (union value){.map = m});
    talloc_free(m);
    return (struct map *)copy.map;
}

/* m with key set to text, replacing what it was. */
struct map *map_with(void *ctx, const struct map *m, const char *key, const char *text)
{
    bool found;
    uint32_t n = map_count(m), at = map_place(m, key, &found);
    struct map *result = map_alloc(ctx, n + !found);
    for (uint32_t i = 0; i < at; i++)
        result->e[i] = m->e[i];
    result->e[at] = (struct map_entry){.k.s = key, .v.s = text};
    for (uint32_t i = at + found; i < n; i++)
        result->e[i + !found] = m->e[i];
    return deepen_map(ctx, result);
}

/* m without key, whether it was there or not. */
struct map *map_without(void *ctx, const struct map *m, const char *key)
{
    bool found;
    uint32_t n = map_count(m), at = map_place(m, key, &found);
    struct map *result = map_alloc(ctx, n - found);
    for (uint32_t i = 0; i < result->n; i++)
        result->e[i] = m->e[found && i >= at ? i + 1 : i];
    return deepen_map(ctx, result);
}

/* ---- sorting ---- */

/* Merge the sorted runs [0, half) and [half, n) of e, using scratch for the first; stable. */
static void merge(const struct model_type *key, struct map_entry *e, uint32_t half, uint32_t n,
                  struct map_entry *scratch)
{
    memcpy(scratch, e, half * sizeof(*e));
    uint32_t left = 0, right = half;
    for (uint32_t out = 0; left < half; out++) {
        bool take_left = right == n || value_compare(key, scratch[left].k, e[right].k) <= 0;
        e[out] = take_left ? scratch[left++] : e[right++];
    }
}

static void merge_sort(const struct model_type *key, struct map_entry *e, uint32_t n,
                       struct map_entry *scratch)
{
    if (n < 2)
        return;
    merge_sort(key, e, n / 2, scratch);
    merge_sort(key, e + n / 2, n - n / 2, scratch);
    merge(key, e, n / 2, n, scratch);
}

/* Sort by key, keeping the first of equal keys. The sort is stable: which one is first is the sender's order.
 */
void map_sort(const struct model_type *t, struct map *m)
{
    if (map_count(m) < 2)
        return;
    struct map_entry *scratch = must_alloc(NULL, m->n * sizeof(*scratch));
    merge_sort(t->key, m->e, m->n, scratch);
    talloc_free(scratch);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < m->n; i++)
        if (value_compare(t->key, m->e[i].k, m->e[kept - 1].k) != 0)
            m->e[kept++] = m->e[i];
    m->n = kept;
}
