#ifndef TESTS_BENCH_FLOOR_SQLITE_H
#define TESTS_BENCH_FLOOR_SQLITE_H
/* The floor of a durable write: SQLite alone, on a copy of the daemon's file beside it (WAL, FULL). */
#include <sqlite3.h>

struct floor_sqlite {
    sqlite3 *sql;
    char path[512];
    char **refs; /* of the VMs in it */
    unsigned n_refs;
};

void floor_sqlite_open(struct floor_sqlite *f, const char *state_dir);

/* Set descriptions, so many rows a commit; rows a second. */
double floor_sqlite_run(struct floor_sqlite *f, unsigned rows_a_commit, double seconds);
void floor_sqlite_close(struct floor_sqlite *f);

#endif
