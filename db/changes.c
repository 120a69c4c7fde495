/* What changed since a generation: the rows, kept in order of their last change, merged with the deletions.
 */
#include <stdlib.h>
#include <string.h>
#include "db/db_private.h"
#include "lib/clock.h"
#include "lib/mem.h"

static struct tombstone *tombstone_at(const struct tombstones *t, uint32_t i)
{
    return &t->ring[(t->first + i) % TOMBSTONES_MAX];
}

static void drop_first(struct tombstones *t)
{
    t->oldest = tombstone_at(t, 0)->changed;
    t->first = (t->first + 1) % TOMBSTONES_MAX;
    t->n--;
}

/* All of it is touched now: untouched pages would look like a leak for the first ten thousand deletions. */
static struct tombstone *make_ring(void)
{
    size_t size = TOMBSTONES_MAX * sizeof(struct tombstone);

    return memset(mem_resize(NULL, size), 0, size);
}

static uint32_t now_s(void)
{
    return (uint32_t)(clock_now() / 1000000000);
}

/* Remember a deletion and forget those that are too old or too many. A generation is forgotten whole. */
void tombstone_add(struct db *db, const struct row *row, uint64_t changed)
{
    struct tombstones *t = &db->tombstones;
    uint32_t now = now_s();

    if (!t->ring)
        t->ring = make_ring();
    while (t->n > 0 && (t->n >= TOMBSTONES_MAX || now - tombstone_at(t, 0)->when > TOMBSTONE_LIFE_S ||
                        tombstone_at(t, 0)->changed <= t->oldest))
        drop_first(t);
    t->n++;
    *tombstone_at(t, t->n - 1) = (struct tombstone){
        .ref = row->ref, .created = row->created, .changed = changed, .when = now, .cls = (uint16_t)row->cls};
}

void tombstones_fini(struct tombstones *t)
{
    free(t->ring);
}

uint64_t db_oldest_tombstone(struct db *db)
{
    return db->tombstones.oldest;
}

void db_forget_deletions(struct db *db)
{
    db->tombstones.oldest = db->generation;
}

/* The index of the first deletion after gen. */
static uint32_t first_tombstone_after(const struct tombstones *t, uint64_t gen)
{
    uint32_t low = 0, high = t->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (tombstone_at(t, middle)->changed <= gen)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct row *first_row_after(struct db *db, uint64_t gen)
{
    struct row *row = TAILQ_LAST(&db->by_modified, row_list), *after = NULL;

    while (row && row->modified > gen) {
        after = row;
        row = TAILQ_PREV(row, row_list, by_modified);
    }
    return after;
}

void db_changes_since(struct db *db, uint64_t gen, void (*fn)(const struct db_change *c, void *arg),
                      void *arg)
{
    const struct tombstones *t = &db->tombstones;
    uint32_t i = first_tombstone_after(t, gen);
    struct row *row = first_row_after(db, gen);

    while (row || i < t->n) {
        struct db_change c;

        if (row && (i == t->n || row->modified <= tombstone_at(t, i)->changed)) {
            c = (struct db_change){row->cls, row->ref, row->created, row->modified, row};
            row = TAILQ_NEXT(row, by_modified);
        } else {
            const struct tombstone *dead = tombstone_at(t, i++);

            c = (struct db_change){dead->cls, dead->ref, dead->created, dead->changed, NULL};
        }
        fn(&c, arg);
    }
}
