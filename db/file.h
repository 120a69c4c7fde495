#ifndef DB_FILE_H
#define DB_FILE_H
/*
 * Database files as such: opening one only to read it, whoever else has it open, and making what was done to
 * a folder durable. Block.
 */
#include <sqlite3.h>
#include "lib/err.h"

struct db_file {
    sqlite3 *sql;
    int lock_fd; /* keeps the daemon from starting meanwhile; -1 where there is no lock, or it runs */
};

/* Errors: INTERNAL_ERROR. To be closed also after a failure. One at rest stays without a journal. */
int db_file_open(const char *path, struct db_file *f, struct err *e);
void db_file_close(struct db_file *f);
#define CLEANUP_DB_FILE CLEANUP(db_file_close)
#define DB_FILE_NONE ((struct db_file){.lock_fd = -1})

/* For connections that pass over each page about once: 128 KiB instead of 2 MiB of them are kept. The thread
 * of a backup would keep that memory for its next one. */
#define DB_FILE_SMALL_CACHE "PRAGMA cache_size = -128"

/* Sync the folder that path is in. 0 or -errno. */
int db_file_sync_folder(const char *path);

#endif
