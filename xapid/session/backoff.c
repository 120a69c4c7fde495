#include "xapid/session/backoff.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "db/table.h"
#include "lib/clock.h"
#include "lib/fiber.h"

/* A small cache: a place is one of a few that its hash chooses. */
enum { GROUPS = 256, GROUP_SIZE = 8 };
enum { ADDRESS_PATIENCE = 20, PAIR_PATIENCE = 0 }; /* failures that bring no pause */
enum { LONGEST_UNITS = 6, MAX_WAITING = 16, MAX_AT_ONCE = 256 };
#define FORGET_MS (15 * 60 * 1000)

struct backoff_entry {
    uint64_t key;
    unsigned failures, attempts; /* attempts: on their way now */
    int64_t next;                /* when the next attempt may be made */
    int64_t last;                /* failure or use */
};

static struct backoff_entry entries[GROUPS][GROUP_SIZE];

static bool is_stale(const struct backoff_entry *e)
{
    return e->attempts == 0 && clock_now() - e->last > (int64_t)FORGET_MS * 1000000;
}

/* The entry of a key, made in the place of the one least missed. NULL when all are in use. */
static struct backoff_entry *entry_get(uint64_t key)
{
    struct backoff_entry *group = entries[key % GROUPS], *worst = NULL;
    for (unsigned i = 0; i < GROUP_SIZE; i++) {
        struct backoff_entry *e = &group[i];
        if (e->key == key && !is_stale(e))
            return e;
        bool worse = !worst || e->failures < worst->failures ||
                     (e->failures == worst->failures && e->last < worst->last);
        if (e->attempts == 0 && (worse || is_stale(e)))
            worst = e;
    }
    if (worst)
        *worst = (struct backoff_entry){.key = key};
    return worst;
}

/* The pause after so many failures: one unit, doubled with each up to a limit. */
static int64_t pause_ns(unsigned failures, unsigned patience, int unit_ms)
{
    if (failures <= patience)
        return 0;
    unsigned over = failures - patience - 1;
    unsigned units = over < 8 ? 1u << over : LONGEST_UNITS;
    return (int64_t)(units < LONGEST_UNITS ? units : LONGEST_UNITS) * unit_ms * 1000000;
}

/* Take the next free moment. */
static int64_t reserve(struct backoff_entry *e, unsigned patience, int unit_ms)
{
    int64_t now = clock_now(), turn = e->next > now ? e->next : now;
    e->next = turn + pause_ns(e->failures, patience, unit_ms);
    e->last = now;
    return turn;
}

static void leave(struct backoff_attempt *a)
{
    a->pair->attempts--;
    a->address->attempts--;
}

int co_backoff_begin(struct backoff_attempt *a, const char *address, const char *user, int unit_ms)
{
    uint64_t h = hash_bytes(address, strlen(address), 1);
    a->address = entry_get(h);
    if (!a->address)
        return -EBUSY;
    a->address->attempts++;
    a->pair = entry_get(hash_bytes(user, strlen(user), h));
    bool slow = a->pair && (a->pair->failures > PAIR_PATIENCE);
    bool slow_address = a->address->failures > ADDRESS_PATIENCE;
    if (!a->pair || a->address->attempts > MAX_AT_ONCE || (slow && a->pair->attempts >= MAX_WAITING) ||
        (slow_address && a->address->attempts > MAX_WAITING)) {
        a->address->attempts--;
        return -EBUSY;
    }
    a->pair->attempts++;
    int64_t turn = reserve(a->pair, PAIR_PATIENCE, unit_ms);
    int64_t address_turn = reserve(a->address, ADDRESS_PATIENCE, unit_ms);
    turn = address_turn > turn ? address_turn : turn;
    int r = turn > clock_now() ? co_sleep_until(turn, "the turn of a login after failed ones") : 0;
    if (r != -ECANCELED)
        return 0;
    leave(a);
    return r;
}

static void note_failure(struct backoff_entry *e, unsigned patience, int unit_ms)
{
    int64_t now = clock_now();
    e->failures++;
    e->last = now;
    int64_t next = now + pause_ns(e->failures, patience, unit_ms);
    if (next > e->next)
        e->next = next;
}

void backoff_end(struct backoff_attempt *a, bool failed, int unit_ms)
{
    leave(a);
    if (!failed) {
        a->pair->failures = 0;
        a->pair->next = 0;
        return;
    }
    note_failure(a->pair, PAIR_PATIENCE, unit_ms);
    note_failure(a->address, ADDRESS_PATIENCE, unit_ms);
}
