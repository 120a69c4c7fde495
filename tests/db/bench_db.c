/* What the database costs: memory a VM, changes in memory, durable writes against SQLite alone. The file is
 * made in BENCH_DIR, else in the current folder: it should lie on the disk that a real one would. */
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/feed.h"
#include "db/replica.h"
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "tests/db/sample_vms.h"

#define MANY_VMS 10000
#define FEW_VMS 64
#define ROUNDS 5
#define ROUND_MS 1000
#define SETS 2000000

static struct ref vms[MANY_VMS];

static void must(int r, struct err *e)
{
    if (r == 0)
        return;
    fprintf(stderr, "%s\n", err_text(NULL, e));
    exit(1);
}

static struct db *open_db(const char *path)
{
    CLEANUP_ERR struct err e = {0};
    struct db *db;

    must(db_open(path, &db, &e), &e);
    return db;
}

static void make_vms(struct db *db, unsigned n)
{
    struct ref host = ref_new(), sr = ref_new(), network = ref_new();

    for (unsigned i = 0; i < n; i++) {
        CLEANUP_ERR struct err e = {0};
        struct txn *t = db_begin(db);

        vms[i] = sample_vm(t, i, host, sr, network);
        must(db_commit(t, &e), &e);
    }
}

static double seconds_since(int64_t began)
{
    return (double)(clock_now() - began) / 1e9;
}

static long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (!f || fscanf(f, "%*s %ld", &pages) != 1)
        exit(1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* ---- memory ---- */

static void measure_memory(const char *path)
{
    long before = resident_bytes(), bytes;
    struct db *db = open_db(NULL);
    int64_t began = clock_now();

    make_vms(db, MANY_VMS);
    bytes = resident_bytes() - before;
    printf("make %d VMs in memory: %.0f VMs/s, %ld bytes resident a VM\n", MANY_VMS,
           MANY_VMS / seconds_since(began), bytes / MANY_VMS);
    db_close(db);
    malloc_trim(0);
    db = open_db(path);
    make_vms(db, MANY_VMS);
    db_close(db);
    malloc_trim(0);
    before = resident_bytes();
    began = clock_now();
    db = open_db(path);
    printf("open a file of %d VMs: %.2f s, %ld bytes resident a VM\n", MANY_VMS, seconds_since(began),
           (resident_bytes() - before) / MANY_VMS);
    db_close(db);
}

/* ---- a copy of it ---- */

static struct replica *begin_copy(struct db *copy)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf model = {0};
    struct replica *r;

    feed_describe(&model);
    replica_begin(copy);
    must(replica_new(copy, model.data, model.len, &r, &e), &e);
    return r;
}

/* First all rows are new to it, then none is. */
static void measure_copy(void)
{
    CLEANUP_ERR struct err e = {0};
    struct db *db = open_db(NULL), *copy = open_db(NULL);
    struct replica *r = begin_copy(copy);
    double s[2];

    make_vms(db, MANY_VMS);
    int64_t began = clock_now();
    struct batch *all = feed_snapshot(db);
    printf("describe %d VMs for a copy: %.3f s, %zu MB\n", MANY_VMS, seconds_since(began),
           all->data.len >> 20);
    for (unsigned i = 0; i < 2; i++) {
        began = clock_now();
        must(replica_load(r, all->data.data, all->data.len, all->generation, &e), &e);
        s[i] = seconds_since(began);
    }
    printf("take them in, in memory: %.3f s, and again %.3f s\n", s[0], s[1]);
    batch_free(all);
    replica_free(r);
    db_close(copy);
    db_close(db);
}

/* ---- changes in memory ---- */

static void measure_sets(void)
{
    struct db *db = open_db(NULL);
    int64_t began;

    make_vms(db, FEW_VMS);
    began = clock_now();
    for (int i = 0; i < SETS; i++) {
        CLEANUP_ERR struct err e = {0};
        struct txn *t = db_begin(db);

        vm_set_memory_target(t, db_vm(db, vms[i % FEW_VMS]), i);
        must(db_commit(t, &e), &e);
    }
    printf("transactions of one integer in memory: %.0f/s\n", SETS / seconds_since(began));
    began = clock_now();
    for (int i = 0; i < SETS; i++) {
        CLEANUP_ERR struct err e = {0};
        struct txn *t = db_begin(db);
        char name[32];

        snprintf(name, sizeof name, "name %d", i);
        vm_set_name_label(t, db_vm(db, vms[i % FEW_VMS]), name);
        must(db_commit(t, &e), &e);
    }
    printf("transactions of one indexed text in memory: %.0f/s\n", SETS / seconds_since(began));
    db_close(db);
}

/* ---- durable writes ---- */

struct client {
    struct db *db;
    int64_t until;
    unsigned number;
    long *writes;
};

static void co_client(void *arg)
{
    struct client *c = arg;

    for (unsigned i = 0; clock_now() < c->until; i++) {
        CLEANUP_ERR struct err e = {0};
        struct txn *t = db_begin(c->db);
        char text[64];

        snprintf(text, sizeof text, "client %u wrote %u", c->number, i);
        vm_set_name_description(t, db_vm(c->db, vms[c->number]), text);
        must(db_commit(t, &e), &e);
        if (co_db_wait_durable(c->db, db_generation(c->db), CLOCK_NEVER) != 0)
            exit(1);
        ++*c->writes;
    }
}

static double round_of_ours(struct db *db, unsigned n_clients)
{
    struct client clients[FEW_VMS];
    int64_t began = clock_now();
    long writes = 0;

    for (unsigned i = 0; i < n_clients; i++) {
        clients[i] = (struct client){db, began + ROUND_MS * 1000000LL, i, &writes};
        fiber_spawn("client", co_client, &clients[i]);
    }
    loop_run();
    return (double)writes / seconds_since(began);
}

static sqlite3_stmt *prepare(sqlite3 *sql, const char *text)
{
    sqlite3_stmt *stmt;

    if (sqlite3_prepare_v2(sql, text, -1, &stmt, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(sql));
        exit(1);
    }
    return stmt;
}

static void step(sqlite3_stmt *stmt)
{
    if (sqlite3_step(stmt) != SQLITE_DONE)
        exit(1);
    sqlite3_reset(stmt);
}

/* The same statements on a copy of the file, in groups of as many as there are clients. */
static double round_of_sqlite(sqlite3 *sql, unsigned n_clients)
{
    sqlite3_stmt *begin = prepare(sql, "BEGIN IMMEDIATE"), *commit = prepare(sql, "COMMIT");
    sqlite3_stmt *update =
        prepare(sql, "UPDATE \"VM\" SET modified_generation = ?, \"name_description\" = ? WHERE ref = ?");
    sqlite3_stmt *meta = prepare(sql, "UPDATE meta SET value = ?2 WHERE key = ?1");
    int64_t began = clock_now(), generation = 1000;
    long writes = 0;

    while (clock_now() - began < ROUND_MS * 1000000LL) {
        step(begin);
        for (unsigned i = 0; i < n_clients; i++) {
            char text[64], ref[REF_TEXT_SIZE];

            snprintf(text, sizeof text, "client %u wrote %ld", i, writes++);
            ref_format(vms[i], ref);
            sqlite3_bind_int64(update, 1, generation++);
            sqlite3_bind_text(update, 2, text, -1, SQLITE_TRANSIENT);
            sqlite3_bind_text(update, 3, ref, -1, SQLITE_TRANSIENT);
            step(update);
        }
        sqlite3_bind_text(meta, 1, "generation", -1, SQLITE_STATIC);
        sqlite3_bind_int64(meta, 2, generation);
        step(meta);
        step(commit);
    }
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    sqlite3_finalize(update);
    sqlite3_finalize(meta);
    return (double)writes / seconds_since(began);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The two take turns, since the machine may have other work; the medians count. */
static void measure_writes(struct db *db, sqlite3 *sql, unsigned n_clients)
{
    double ours[ROUNDS], alone[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        alone[i] = round_of_sqlite(sql, n_clients);
        ours[i] = round_of_ours(db, n_clients);
    }
    qsort(ours, ROUNDS, sizeof ours[0], by_size);
    qsort(alone, ROUNDS, sizeof alone[0], by_size);
    printf("durable writes, %2u clients: %.0f/s, SQLite alone %.0f/s, ratio %.2f\n", n_clients,
           ours[ROUNDS / 2], alone[ROUNDS / 2], ours[ROUNDS / 2] / alone[ROUNDS / 2]);
}

static void measure_durability(const char *path, const char *copy)
{
    struct db *db = open_db(path);
    sqlite3 *sql;
    char text[512];

    make_vms(db, FEW_VMS);
    db_close(db);
    if (sqlite3_open(path, &sql) != SQLITE_OK)
        exit(1);
    snprintf(text, sizeof text, "VACUUM INTO '%s'", copy);
    sqlite3_exec(sql, text, NULL, NULL, NULL);
    sqlite3_close(sql);
    if (sqlite3_open(copy, &sql) != SQLITE_OK ||
        sqlite3_exec(sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL) !=
            SQLITE_OK)
        exit(1);
    db = open_db(path);
    measure_writes(db, sql, 1);
    measure_writes(db, sql, 64);
    sqlite3_close(sql);
    db_close(db);
}

static void remove_folder(const char *folder)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "could not remove %s\n", folder);
}

int main(void)
{
    const char *base = getenv("BENCH_DIR");
    char folder[128], path[160], copy[160], many[160];

    snprintf(folder, sizeof folder, "%s/bench_db.XXXXXX", base ? base : ".");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/xapid.db", folder);
    snprintf(copy, sizeof copy, "%s/alone.db", folder);
    snprintf(many, sizeof many, "%s/many.db", folder);
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure_memory(many);
    measure_copy();
    measure_sets();
    measure_durability(path, copy);
    remove_folder(folder);
    return 0;
}
