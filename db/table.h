#ifndef DB_TABLE_H
#define DB_TABLE_H
/*
 * A hash table of pointers: open addressing, the hashes kept beside the pointers, 12 bytes a place. What the
 * items are and what makes them equal is the caller's; several items may have the same hash. Owned by whoever
 * declared it (zero-initialised), which owns the items too. Never yields; aborts when memory runs out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/value.h"

struct table {
    uint32_t *hashes;
    void **items;
    uint32_t n, mask;
};

/* Add item; it must not be in the table. */
void table_add(struct table *t, uint32_t hash, void *item);

/* Remove this very item. False when it was not there. */
bool table_remove(struct table *t, uint32_t hash, const void *item);

/* Walk the items of this hash: start with *at = 0; NULL at the end. The table must not change meanwhile. */
void *table_each(const struct table *t, uint32_t hash, uint32_t *at);

void table_fini(struct table *t);

/* Hashes for keys; seeded once a process, so that nobody outside can choose colliding names. */
uint64_t hash_bytes(const void *bytes, size_t n, uint64_t start);
uint64_t hash_text(const char *text);
uint64_t hash_u64(uint64_t x, uint64_t start);
uint64_t hash_ref(struct ref r, uint64_t start);

#endif
