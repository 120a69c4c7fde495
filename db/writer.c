/* The queue between commits in memory and SQLite: everything that is queued when the writer comes round
 * shares one SQLite commit. The writer is a fiber that lives while there is something to write; SQLite runs
 * on a worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db/reserve.h"
#include "db/store.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

/* Between two attempts to write when writing failed: soon, then every second. */
#define FIRST_RETRY_MS 100
#define RETRY_MS 1000

/* ---- references ---- */

struct store *store_ref(struct store *s)
{
    s->refs++;
    return s;
}

void store_unref(struct store *s)
{
    if (--s->refs > 0)
        return;
    free(s->failure);
    free(s->path);
    free(s);
}

/* ---- on the committer's thread ---- */

void store_write_flight(void *arg)
{
    struct store *s = arg;
    int64_t begun = clock_now();

    s->flight_result = statements_write(&s->statements, &s->flight, s->flight_limit, s->flight_reason);
    s->flight_ns = clock_now() - begun;
}

/* ---- outcomes ---- */

static void note_first_pending(struct store *s)
{
    const struct batch *first = STAILQ_FIRST(&s->flight);

    if (!first)
        first = STAILQ_FIRST(&s->queue);
    s->first_pending = first ? first->generation : UINT64_MAX;
}

static void count_commit(struct db_commit_stats *stats, uint64_t ns)
{
    stats->count++;
    stats->ns += ns;
    if (ns > stats->ns_max)
        stats->ns_max = ns;
}

struct db_commit_stats db_commit_stats(const struct db *db)
{
    return db->store ? db->store->stats : (struct db_commit_stats){0};
}

static void flight_is_durable(struct store *s)
{
    struct batch *b;

    count_commit(&s->stats, (uint64_t)s->flight_ns);
    if (s->flight_limit != 0)
        s->limit = s->flight_limit;
    if (s->failure)
        log_info("the database %s can be written again", s->path);
    free(s->failure);
    s->failure = NULL;
    while ((b = STAILQ_FIRST(&s->flight))) {
        STAILQ_REMOVE_HEAD(&s->flight, link);
        batch_free(b);
    }
    note_first_pending(s);
    fiber_cond_broadcast(&s->durable);
}

/* The batches stay first in the queue. */
static void put_back_flight(struct store *s)
{
    STAILQ_CONCAT(&s->flight, &s->queue);
    STAILQ_CONCAT(&s->queue, &s->flight);
}

/* Until an attempt succeeds nobody may commit more batches. */
static void flight_failed(struct store *s)
{
    const char *reason = s->flight_reason;

    put_back_flight(s);
    if (!s->failure || strcmp(s->failure, reason) != 0)
        log_error("the database %s cannot be written: %s", s->path, reason);
    free(s->failure);
    s->failure = mem_strdup(reason);
    s->disk_is_full = s->flight_result == -ENOSPC;
    fiber_cond_broadcast(&s->durable);
}

/* ---- a full disk ---- */

/* True when there is more room than at the last attempt. */
static bool give_up_reserve(struct store *s)
{
    if (!reserve_give_up(s->path))
        return false;
    log_error("the disk of the database %s is full: until there is room only what gives room back is done",
              s->path);
    s->short_of_space = true;
    s->look_again = clock_in_ms(RETRY_MS);
    return true;
}

bool db_is_short_of_space(struct db *db)
{
    struct store *s = db->store;

    if (!s || !s->short_of_space || clock_now() < s->look_again)
        return s && s->short_of_space;
    s->look_again = clock_in_ms(RETRY_MS);
    s->short_of_space = reserve_make(s->path) < 0;
    if (!s->short_of_space)
        log_info("the disk of the database %s has room again", s->path);
    return s->short_of_space;
}

/* ---- the writer ---- */

/* Everything that is queued now belongs to the next attempt; until that says otherwise it has failed. */
static void load_flight(struct store *s)
{
    STAILQ_CONCAT(&s->flight, &s->queue);
    s->flight_limit = s->limit_wanted > s->limit ? s->limit_wanted : 0;
    s->flight_result = -EIO;
    snprintf(s->flight_reason, sizeof s->flight_reason, "the attempt was interrupted");
}

/* One attempt to write what is queued. */
static int co_write_queue(struct store *s)
{
    load_flight(s);
    if (fault_point(FAULT_DB, "sqlite commit") == 0 && co_committer_run(&s->committer) == -ECANCELED)
        return -ECANCELED;
    if (s->flight_result == 0)
        flight_is_durable(s);
    else if (s->flight_result == -ENOSPC && give_up_reserve(s))
        put_back_flight(s);
    else
        flight_failed(s);
    return s->flight_result;
}

static void co_writer(void *arg)
{
    struct store *s = arg;
    int64_t pause = FIRST_RETRY_MS;

    while (!s->closed && !STAILQ_EMPTY(&s->queue)) {
        if (co_write_queue(s) == 0)
            pause = FIRST_RETRY_MS;
        if (!s->failure)
            continue;
        if (!s->closed)
            co_sleep_until(clock_in_ms(pause), "the database can be written again");
        pause = RETRY_MS;
    }
    if (!s->closed) {
        fiber_unref(s->writer);
        s->writer = NULL;
    }
    store_unref(s);
}

static void writer_start(struct store *s)
{
    if (!s->writer)
        s->writer = fiber_ref(fiber_spawn("db writer", co_writer, store_ref(s)));
}

/* ---- for the transactions ---- */

void store_put(struct db *db, struct batch *b)
{
    struct store *s = db->store;

    STAILQ_INSERT_TAIL(&s->queue, b, link);
    if (s->first_pending == UINT64_MAX)
        s->first_pending = b->generation;
    writer_start(s);
}

void store_note_generation(struct db *db)
{
    struct store *s = db->store;
    struct batch *b;

    if (!s || db->generation + GENERATION_RESERVE / 2 < s->limit_wanted)
        return;
    s->limit_wanted = db->generation + GENERATION_RESERVE;
    b = batch_new();
    b->generation = db->generation;
    store_put(db, b);
}

int db_check_writable(struct db *db, struct err *e)
{
    struct store *s = db->store;
    CLEANUP_BUF struct buf where = {0};

    if (!s || !s->failure)
        return 0;
    if (!s->disk_is_full)
        return err_internal(e, "the database %s cannot be written (%s); this is tried again every second",
                            s->path, s->failure);
    buf_printf(&where, "the disk of the database: %s cannot be written until there is room", s->path);
    return err_out_of_space(e, buf_cstr(&where));
}

/* ---- durability ---- */

bool db_is_durable(struct db *db, uint64_t gen)
{
    return !db->store || gen < db->store->first_pending;
}

int co_db_wait_durable(struct db *db, uint64_t gen, int64_t deadline)
{
    struct store *s = db->store;
    int r = 0;

    if (db_is_durable(db, gen))
        return 0;
    store_ref(s);
    while (r == 0 && gen >= s->first_pending) {
        if (s->failure)
            r = -EIO;
        else if (s->closed)
            r = -ECANCELED;
        else
            r = co_cond_wait(&s->durable, deadline, "the disk to have database generation %llu",
                             (unsigned long long)gen);
    }
    /* What became durable just before the wait ended otherwise is durable all the same. */
    if (gen < s->first_pending)
        r = 0;
    store_unref(s);
    return r;
}

/* ---- the end ---- */

void store_flush(struct store *s)
{
    if (s->flight_result == 0)
        flight_is_durable(s);
    load_flight(s);
    s->flight_limit = s->db->generation;
    store_write_flight(s);
    if (s->flight_result == 0)
        flight_is_durable(s);
    else
        flight_failed(s);
}
