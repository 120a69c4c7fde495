#include "xe/cache.h"

#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/client.h"

/* Fetches of single records before the whole class is fetched. */
#define SINGLES 4

struct entry {
    const char *ref; /* NULL: free */
    const struct wire *record;
};

struct class_cache {
    struct class_cache *next;
    const char *cls;
    bool complete;
    const struct wire *all; /* once complete, and had */
    unsigned singles;
    unsigned n, size; /* size is a power of two */
    struct entry *entries;
};

struct cache {
    struct class_cache *classes;
};

/* A cache without records. */
struct cache *cache_new(void *ctx)
{
    struct cache *c = talloc_zero(ctx, struct cache);

    if (!c)
        mem_abort();
    return c;
}

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* The entry of ref, or the free one where it belongs. */
static struct entry *find(const struct class_cache *c, const char *ref)
{
    unsigned i = hash(ref) & (c->size - 1);

    while (c->entries[i].ref && strcmp(c->entries[i].ref, ref) != 0)
        i = (i + 1) & (c->size - 1);
    return &c->entries[i];
}

static void resize(struct class_cache *c, unsigned size)
{
    struct class_cache old = *c;

    c->size = size;
    c->entries = talloc_zero_array(c, struct entry, size);
    if (!c->entries)
        mem_abort();
    for (unsigned i = 0; i < old.size; i++)
        if (old.entries[i].ref)
            *find(c, old.entries[i].ref) = old.entries[i];
    talloc_free(old.entries);
}

static struct class_cache *class_cache(struct cache *cache, const char *cls)
{
    struct class_cache *c;

    for (c = cache->classes; c; c = c->next)
        if (strcmp(c->cls, cls) == 0)
            return c;
    c = talloc_zero(cache, struct class_cache);
    if (!c)
        mem_abort();
    c->cls = cls;
    c->next = cache->classes;
    cache->classes = c;
    resize(c, 16);
    return c;
}

static void put(struct class_cache *c, const char *ref, const struct wire *record)
{
    struct entry *entry;

    if (2 * (c->n + 1) > c->size)
        resize(c, 2 * c->size);
    entry = find(c, ref);
    if (!entry->ref)
        c->n++;
    *entry = (struct entry){ref, record};
}

/* Remember a record. */
void cache_put(struct xe *x, const char *cls, const char *ref, const struct wire *record)
{
    put(class_cache(x->cache, cls), ref, record);
}

static void co_load_all(struct xe *x, struct class_cache *c)
{
    CLEANUP_ERR struct err e = {0};
    const struct wire *all = co_call(x, &e, talloc_asprintf(x->ctx, "%s.get_all_records", c->cls), "");

    c->complete = true;
    c->all = all;
    for (uint32_t i = 0; all && all->kind == WIRE_STRUCT && i < all->n; i++)
        put(c, all->members[i].name, &all->members[i].value);
}

static void co_load_one(struct xe *x, struct class_cache *c, const char *ref)
{
    CLEANUP_ERR struct err e = {0};

    put(c, ref, co_call(x, &e, talloc_asprintf(x->ctx, "%s.get_record", c->cls), "s", ref));
    c->singles++;
}

/* The record of the object of class behind ref. */
const struct wire *co_cache_get(struct xe *x, const char *cls, const char *ref)
{
    struct class_cache *c = class_cache(x->cache, cls);

    if (find(c, ref)->ref || c->complete)
        return find(c, ref)->record;
    if (c->singles < SINGLES)
        co_load_one(x, c, ref);
    else
        co_load_all(x, c);
    return find(c, ref)->record;
}

/* All records of a class. */
const struct wire *co_cache_all(struct xe *x, const char *cls)
{
    struct class_cache *c = class_cache(x->cache, cls);

    if (!c->complete)
        co_load_all(x, c);
    return c->all;
}

/* Forget everything. */
void cache_forget(struct xe *x)
{
    talloc_free(x->cache);
    x->cache = cache_new(x->ctx);
}
