#include "tests/bench/floor_sqlite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/bench/bench.h"

#define MOST_REFS 64

static void sql_must(int r, int wanted, sqlite3 *sql)
{
    if (r != wanted)
        die("SQLite: %s", sqlite3_errmsg(sql));
}

static void run(sqlite3 *sql, const char *text)
{
    sql_must(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK, sql);
}

static sqlite3_stmt *prepare(sqlite3 *sql, const char *text)
{
    sqlite3_stmt *s;

    sql_must(sqlite3_prepare_v2(sql, text, -1, &s, NULL), SQLITE_OK, sql);
    return s;
}

static void copy_database(const char *from, const char *to)
{
    char text[600];
    sqlite3 *sql;

    unlink(to);
    sql_must(sqlite3_open_v2(from, &sql, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK, sql);
    snprintf(text, sizeof text, "VACUUM INTO '%s'", to);
    run(sql, text);
    sqlite3_close(sql);
}

static void read_refs(struct floor_sqlite *f)
{
    sqlite3_stmt *s = prepare(f->sql, "SELECT ref FROM VM");

    f->refs = calloc(MOST_REFS, sizeof *f->refs);
    while (f->n_refs < MOST_REFS && sqlite3_step(s) == SQLITE_ROW)
        f->refs[f->n_refs++] = strdup((const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    if (f->n_refs == 0)
        die("no VM in the copied database");
}

void floor_sqlite_open(struct floor_sqlite *f, const char *state_dir)
{
    char from[500];

    *f = (struct floor_sqlite){0};
    snprintf(from, sizeof from, "%s/xapid.db", state_dir);
    snprintf(f->path, sizeof f->path, "%s/alone.db", state_dir);
    copy_database(from, f->path);
    sql_must(sqlite3_open(f->path, &f->sql), SQLITE_OK, f->sql);
    run(f->sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    read_refs(f);
}

static void step(sqlite3 *sql, sqlite3_stmt *s)
{
    sql_must(sqlite3_step(s), SQLITE_DONE, sql);
    sqlite3_reset(s);
}

double floor_sqlite_run(struct floor_sqlite *f, unsigned rows_a_commit, double seconds)
{
    sqlite3_stmt *begin = prepare(f->sql, "BEGIN IMMEDIATE"), *commit = prepare(f->sql, "COMMIT");
    sqlite3_stmt *update = prepare(f->sql, "UPDATE VM SET name_description = ? WHERE ref = ?");
    int64_t began = clock_now(), until = began + (int64_t)(seconds * 1e9);
    unsigned long n = 0;

    while (clock_now() < until) {
        step(f->sql, begin);
        for (unsigned i = 0; i < rows_a_commit; i++, n++) {
            char text[64];

            snprintf(text, sizeof text, "description number %lu", n);
            sqlite3_bind_text(update, 1, text, -1, SQLITE_TRANSIENT);
            sqlite3_bind_text(update, 2, f->refs[n % f->n_refs], -1, SQLITE_STATIC);
            step(f->sql, update);
        }
        step(f->sql, commit);
    }
    sqlite3_finalize(begin);
    sqlite3_finalize(update);
    sqlite3_finalize(commit);
    return (double)n / ((double)(clock_now() - began) / 1e9);
}

void floor_sqlite_close(struct floor_sqlite *f)
{
    sqlite3_close(f->sql);
    unlink(f->path);
    for (unsigned i = 0; i < f->n_refs; i++)
        free(f->refs[i]);
    free(f->refs);
}
