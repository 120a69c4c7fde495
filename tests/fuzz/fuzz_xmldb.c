/* A database in XML, fed in pieces: what is taken must survive being written and read again. */
#include <string.h>
#include "tests/fuzz/fuzz.h"
#include "xapid/pool_db/dump.h"

static bool read_all(struct db *db, const char *bytes, size_t n, size_t piece)
{
    CLEANUP_ERR struct err e = {0};
    struct dump_reader *r = dump_reader_new(db);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < n; at += piece)
        rc = dump_reader_feed(r, bytes + at, n - at < piece ? n - at : piece, &e);
    bool good = rc == 0 && dump_reader_end(r, &e) == 0;
    dump_reader_free(r);
    return good;
}

static void write_all(struct db *db, struct buf *out)
{
    struct dump *d = dump_new(db);
    while (dump_next(d, out))
        ;
    dump_free(d);
}

static struct db *open_memory(void)
{
    CLEANUP_ERR struct err e = {0};
    struct db *db = NULL;
    if (db_open(NULL, &db, &e) < 0)
        abort();
    return db;
}

/* The manifest names another generation, the rest must be equal. */
static const char *tables(struct buf *b)
{
    const char *at = strstr(buf_cstr(b), "</manifest>");
    return at ? at : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct db *first = open_memory(), *second = open_memory();
    CLEANUP_BUF struct buf a = {0}, b = {0};
    if (read_all(first, (const char *)data, size, 1 + size / 3)) {
        write_all(first, &a);
        if (!read_all(second, a.data, a.len, 1000))
            abort();
        write_all(second, &b);
        if (strcmp(tables(&a), tables(&b)) != 0)
            abort();
    }
    db_close(first);
    db_close(second);
    return 0;
}
