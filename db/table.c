#include "db/table.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "lib/mem.h"

#define TABLE_MIN 16u

static void place(struct table *t, uint32_t hash, void *item)
{
    uint32_t i = hash & t->mask;

    while (t->items[i])
        i = (i + 1) & t->mask;
    t->items[i] = item;
    t->hashes[i] = hash;
}

/* Move everything into a table of size places (a power of two). */
static void table_resize(struct table *t, uint32_t size)
{
    struct table old = *t;

    t->items = mem_zalloc(size * sizeof *t->items);
    t->hashes = mem_zalloc(size * sizeof *t->hashes);
    t->mask = size - 1;
    for (uint32_t i = 0; old.items && i <= old.mask; i++) {
        if (old.items[i])
            place(t, old.hashes[i], old.items[i]);
    }
    free(old.items);
    free(old.hashes);
}

void table_add(struct table *t, uint32_t hash, void *item)
{
    if (!t->items)
        table_resize(t, TABLE_MIN);
    else if (t->n + 1 > (t->mask + 1) / 4 * 3)
        table_resize(t, (t->mask + 1) * 2);
    place(t, hash, item);
    t->n++;
}

/* Close the gap at hole: whatever could have landed there moves back, so that no search stops too early. */
static void close_gap(struct table *t, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & t->mask; t->items[i]; i = (i + 1) & t->mask) {
        uint32_t from_home = (i - t->hashes[i]) & t->mask, from_hole = (i - hole) & t->mask;

        if (from_home < from_hole)
            continue;
        t->items[hole] = t->items[i];
        t->hashes[hole] = t->hashes[i];
        hole = i;
    }
    t->items[hole] = NULL;
}

bool table_remove(struct table *t, uint32_t hash, const void *item)
{
    uint32_t i = hash & t->mask;

    if (!t->items)
        return false;
    while (t->items[i] && t->items[i] != item)
        i = (i + 1) & t->mask;
    if (!t->items[i])
        return false;
    close_gap(t, i);
    t->n--;
    if (t->mask + 1 > TABLE_MIN && t->n < (t->mask + 1) / 8)
        table_resize(t, (t->mask + 1) / 2);
    return true;
}

void *table_each(const struct table *t, uint32_t hash, uint32_t *at)
{
    if (!t->items)
        return NULL;
    for (;; (*at)++) {
        uint32_t i = (hash + *at) & t->mask;

        if (!t->items[i])
            return NULL;
        if (t->hashes[i] == hash) {
            (*at)++;
            return t->items[i];
        }
    }
}

void table_fini(struct table *t)
{
    free(t->items);
    free(t->hashes);
    *t = (struct table){0};
}

/* ---- hashes ---- */

static uint64_t seed(void)
{
    static uint64_t value;

    if (value == 0 && getrandom(&value, sizeof value, 0) != sizeof value)
        value = 0x5bd1e9955bd1e995;
    value |= 1;
    return value;
}

static inline uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93;
    return h ^ (h >> 32);
}

uint64_t hash_u64(uint64_t x, uint64_t start)
{
    return mix((x ^ start ^ seed()) * 0x9e3779b97f4a7c15);
}

uint64_t hash_ref(struct ref r, uint64_t start)
{
    return hash_u64(r.hi, hash_u64(r.lo, start));
}

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t start)
{
    const char *p = bytes;
    uint64_t h = hash_u64(n, start), word;

    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        h = hash_u64(word, h);
    }
    word = 0;
    memcpy(&word, p, n);
    return n > 0 ? hash_u64(word, h) : h;
}

uint64_t hash_text(const char *text)
{
    return hash_bytes(text, strlen(text), 0);
}
