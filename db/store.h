#ifndef DB_STORE_H
#define DB_STORE_H
/*
 * The SQLite file behind a database: opened by store.c, given its shape by schema.c, read by load.c, written
 * by writer.c (the queue, on the loop's thread) and statements.c (the SQL, on committer.c's). All functions
 * accept a database without a file. Only functions with co_ yield.
 */
#include <sqlite3.h>
#include "db/batch.h"
#include "db/committer.h"
#include "db/db_private.h"

/* Raised when files of this program can no longer be read by older ones. New classes and fields do not raise
 * it. */
#define SCHEMA_VERSION 1

/* "xapi" in the file's header. */
#define STORE_APPLICATION_ID 0x78617069

/* How far generations may run ahead of what the file says, and by how much it is raised. */
#define GENERATION_RESERVE 1000000

/* ---- statements.c: on the committer's thread or, at the end, on the loop's; never on both ---- */

struct statement;
struct statements {
    sqlite3 *sql;
    sqlite3_stmt *begin, *commit, *rollback, *set_meta;
    struct table cache;
};

int statements_init(struct statements *s, sqlite3 *sql);
void statements_fini(struct statements *s);

/* Write the batches and, when it is not 0, the limit of generations, in one SQLite transaction; all or
 * nothing. 0, or -ENOSPC or -EIO with a reason. */
#define STORE_REASON_SIZE 160
int statements_write(struct statements *s, const struct batch_list *batches, uint64_t generation_limit,
                     char reason[STORE_REASON_SIZE]);

/* ---- the store ---- */

struct store {
    unsigned refs; /* the database, the writer, each waiting fiber */
    struct db *db; /* NULL once closed */
    char *path;
    int lock_fd;

    bool closed;

    /* The committer's while it runs. */
    struct committer committer;
    sqlite3 *sql;
    struct statements statements;
    uint64_t flight_limit; /* of generations, to be written with the flight; 0: not now */
    int flight_result;
    int64_t flight_ns; /* how long it took */
    char flight_reason[STORE_REASON_SIZE];

    struct batch_list queue, flight; /* waiting for the writer; with the committer */
    uint64_t first_pending;          /* generation of the oldest batch in either, UINT64_MAX for none */
    uint64_t limit, limit_wanted;    /* of generations: in the file; to be put there */
    struct db_commit_stats stats;
    struct fiber *writer;      /* runs while there is anything to write */
    struct fiber_cond durable; /* something became durable, or failed */
    char *failure;             /* why the last attempt to write failed; NULL while all is well */
    bool disk_is_full;         /* that was why */
    bool short_of_space;       /* the reserve is given up */
    int64_t look_again;        /* when to try to set it aside anew, clock_now() */
};

int store_open(const char *path, struct db *db, struct err *e);

/* Write what is left, as far as that goes, and let go of the file. */
void store_close(struct db *db);

/* Take over a batch to be written. */
void store_put(struct db *db, struct batch *b);

/* Called after each commit, before which memory-only generations have no other way to the file. */
void store_note_generation(struct db *db);

struct store *store_ref(struct store *s);
void store_unref(struct store *s);

/* writer.c: write the flight, on the committer's thread; and for store_close everything, on this one. */
void store_write_flight(void *store);
void store_flush(struct store *s);

/* ---- schema.c and load.c: at start ---- */

/* Give an empty file the model's tables. */
int schema_make(sqlite3 *sql, struct err *e);

/* Make the tables of a file fit the model and fill db, in one SQLite transaction. */
int schema_open(sqlite3 *sql, const char *path, struct db *db, struct err *e);

/* One of the numbers that the file knows about itself. */
int schema_get_meta(sqlite3 *sql, const char *key, int64_t *ret, struct err *e);
int64_t schema_fingerprint(void);

/* -1 when the file is a newer program's. */
int schema_check_version(sqlite3 *sql, const char *path, struct err *e);
bool field_has_column(const struct model_class *c, const struct model_field *f);

/* A field's initial value as an SQL literal, to be freed with sqlite3_free. */
char *schema_default_literal(const struct model_field *f);

/* What is done about values that their type does not know, instead of failing. */
struct load_manner {
    bool mend; /* replace them by the field's initial one, in the file too */
    void (*tell)(const char *problem, void *arg); /* hear of them, and of what is no row, and go on */
    void *arg;
};

/* Read all rows. */
int load_rows(sqlite3 *sql, struct db *db, const struct load_manner *how, struct err *e);

/* Run one statement made with sqlite3_mprintf (freed here). */
int sql_exec(sqlite3 *sql, char *text, struct err *e);
int sql_error(sqlite3 *sql, const char *doing, struct err *e);

/* One integer; -1 with e when there is none. */
int sql_get_int(sqlite3 *sql, const char *query, int64_t *ret, struct err *e);

#endif
