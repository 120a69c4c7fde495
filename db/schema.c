/* The shape of the file: one table a class, one column a persistent field, and a table of a few facts about
 * the file itself. A file whose shape is another is changed to the model's in one SQLite transaction. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <talloc.h>
#include "db/store.h"
#include "lib/fault.h"

/* ---- small SQL ---- */

int sql_error(sqlite3 *sql, const char *doing, struct err *e)
{
    return err_internal(e, "the database, %s: %s", doing, sqlite3_errmsg(sql));
}

int sql_exec(sqlite3 *sql, char *text, struct err *e)
{
    int rc = sqlite3_exec(sql, text, NULL, NULL, NULL);

    if (rc != SQLITE_OK)
        sql_error(sql, text, e);
    sqlite3_free(text);
    return rc == SQLITE_OK ? 0 : -1;
}

int sql_get_int(sqlite3 *sql, const char *query, int64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sql, query, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    else
        rc == SQLITE_DONE ? err_internal(e, "the database has no answer to: %s", query)
                          : sql_error(sql, query, e);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : -1;
}

/* ---- columns of the model ---- */

bool field_has_column(const struct model_class *c, const struct model_field *f)
{
    return c->stored && c->persistent && f->persistent && field_has_cell(f);
}

static const char *column_type(const struct model_field *f)
{
    switch (f->type->kind) {
    case KIND_INT:
    case KIND_BOOL:
        return "INTEGER";
    case KIND_FLOAT:
        return "REAL";
    default:
        return "TEXT";
    }
}

char *schema_default_literal(const struct model_field *f)
{
    void *mem = talloc_new(NULL);
    char *text;

    if (f->type->kind == KIND_INT)
        text = sqlite3_mprintf("%lld", (long long)f->initial.i);
    else if (f->type->kind == KIND_BOOL)
        text = sqlite3_mprintf("%d", f->initial.b);
    else if (f->type->kind == KIND_FLOAT)
        text = sqlite3_mprintf("%!.17g", f->initial.f);
    else
        text = sqlite3_mprintf("%Q", value_to_text(mem, f->type, f->initial));
    talloc_free(mem);
    return text;
}

static uint64_t add_to_fingerprint(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return (h ^ 0xff) * 0x100000001b3;
}

/* A number that is another whenever a table, a column or an enumeration's spelling is. */
int64_t schema_fingerprint(void)
{
    uint64_t h = 0xcbf29ce484222325;

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        const struct model_class *c = &model_classes[cls];

        for (unsigned i = 0; i < c->n_fields; i++) {
            const struct model_field *f = &c->fields[i];

            if (!field_has_column(c, f))
                continue;
            h = add_to_fingerprint(add_to_fingerprint(h, c->name), f->name);
            h = add_to_fingerprint(h, f->type->name);
            for (unsigned n = 0; f->type->kind == KIND_ENUM && n < f->type->enums->n; n++)
                h = add_to_fingerprint(h, f->type->enums->values[n]);
        }
    }
    return (int64_t)(h >> 1);
}

/* ---- columns of the file ---- */

struct column {
    char name[128];
    char type[16];
};

struct columns {
    struct column *list;
    unsigned n;
};

static void columns_fini(struct columns *cols)
{
    free(cols->list);
}

static const struct column *columns_find(const struct columns *cols, const char *name)
{
    for (unsigned i = 0; i < cols->n; i++) {
        if (strcmp(cols->list[i].name, name) == 0)
            return &cols->list[i];
    }
    return NULL;
}

/* All columns of a table; none when there is no such table. */
static int columns_read(sqlite3 *sql, const char *table, struct columns *ret, struct err *e)
{
    char *text = sqlite3_mprintf("SELECT name, type FROM pragma_table_info(%Q)", table);
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sql, text, -1, &stmt, NULL);

    sqlite3_free(text);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct column *c;

        ret->list = realloc(ret->list, (ret->n + 1) * sizeof *ret->list);
        if (!ret->list)
            abort();
        c = &ret->list[ret->n++];
        snprintf(c->name, sizeof c->name, "%s", (const char *)sqlite3_column_text(stmt, 0));
        snprintf(c->type, sizeof c->type, "%s", (const char *)sqlite3_column_text(stmt, 1));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : sql_error(sql, "reading the columns of a table", e);
}

/* ---- making the file fit ---- */

static int create_table(sqlite3 *sql, const struct model_class *c, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};

    buf_printf(&text,
               "CREATE TABLE \"%s\" (ref TEXT PRIMARY KEY NOT NULL, created_generation INTEGER NOT NULL, "
               "modified_generation INTEGER NOT NULL",
               c->name);
    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_has_column(c, &c->fields[i]))
            buf_printf(&text, ", \"%s\" %s", c->fields[i].name, column_type(&c->fields[i]));
    }
    buf_add_char(&text, ')');
    return sql_exec(sql, sqlite3_mprintf("%s", buf_cstr(&text)), e);
}

static bool is_generation_column(const char *name)
{
    return strcmp(name, "ref") == 0 || strcmp(name, "created_generation") == 0 ||
           strcmp(name, "modified_generation") == 0;
}

static int drop_vanished_columns(sqlite3 *sql, const struct model_class *c, const struct columns *cols,
                                 struct err *e)
{
    for (unsigned i = 0; i < cols->n; i++) {
        const struct column *col = &cols->list[i];
        const struct model_field *f = model_field_by_name(c, col->name);

        if (is_generation_column(col->name) ||
            (f && field_has_column(c, f) && strcmp(col->type, column_type(f)) == 0))
            continue;
        log_info("database: the column %s of %s is no longer in the model", col->name, c->name);
        if (sql_exec(sql, sqlite3_mprintf("ALTER TABLE \"%w\" DROP COLUMN \"%w\"", c->name, col->name), e) <
            0)
            return -1;
    }
    return 0;
}

static int add_new_columns(sqlite3 *sql, const struct model_class *c, const struct columns *cols,
                           struct err *e)
{
    for (unsigned i = 0; i < c->n_fields; i++) {
        const struct model_field *f = &c->fields[i];
        const struct column *col = columns_find(cols, f->name);
        char *literal;
        int r;

        if (!field_has_column(c, f) || (col && strcmp(col->type, column_type(f)) == 0))
            continue;
        literal = schema_default_literal(f);
        r = sql_exec(sql,
                     sqlite3_mprintf("ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s DEFAULT %s", c->name, f->name,
                                     column_type(f), literal),
                     e);
        sqlite3_free(literal);
        if (r < 0)
            return -1;
    }
    return 0;
}

static int fit_table(sqlite3 *sql, const struct model_class *c, struct err *e)
{
    CLEANUP(columns_fini) struct columns cols = {0};

    if (columns_read(sql, c->name, &cols, e) < 0)
        return -1;
    if (cols.n == 0)
        return create_table(sql, c, e);
    if (!columns_find(&cols, "ref") || !columns_find(&cols, "created_generation") ||
        !columns_find(&cols, "modified_generation"))
        return err_internal(e, "the table %s of the database was not made by this program", c->name);
    if (drop_vanished_columns(sql, c, &cols, e) < 0)
        return -1;
    return add_new_columns(sql, c, &cols, e);
}

static bool class_has_table(const struct model_class *c)
{
    return c && c->stored && c->persistent;
}

/* The name of a table that the model no longer has, on mem, or NULL. */
static int find_vanished_table(sqlite3 *sql, void *mem, char **ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(sql,
                           "SELECT name FROM sqlite_schema AS t WHERE type = 'table' AND EXISTS (SELECT 1 "
                           "FROM pragma_table_info(t.name) WHERE name = 'modified_generation')",
                           -1, &stmt, NULL);

    *ret = NULL;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && !*ret) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        if (!class_has_table(model_class_by_name(name)))
            *ret = talloc_strdup(mem, name);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return *ret || rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sql_error(sql, "listing its tables", e);
}

static int drop_vanished_tables(sqlite3 *sql, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    char *name;

    for (;;) {
        if (find_vanished_table(sql, mem, &name, e) < 0)
            return -1;
        if (!name)
            return 0;
        log_info("database: the table %s is no longer in the model", name);
        if (sql_exec(sql, sqlite3_mprintf("DROP TABLE \"%w\"", name), e) < 0)
            return -1;
    }
}

static int fit_tables(sqlite3 *sql, struct err *e)
{
    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        if (class_has_table(&model_classes[cls]) && fit_table(sql, &model_classes[cls], e) < 0)
            return -1;
    }
    return drop_vanished_tables(sql, e);
}

/* ---- facts about the file ---- */

int schema_get_meta(sqlite3 *sql, const char *key, int64_t *ret, struct err *e)
{
    char *query = sqlite3_mprintf("SELECT value FROM meta WHERE key = %Q", key);
    int r = sql_get_int(sql, query, ret, e);

    sqlite3_free(query);
    return r;
}

static int meta_set(sqlite3 *sql, const char *key, int64_t value, struct err *e)
{
    return sql_exec(sql,
                    sqlite3_mprintf("INSERT INTO meta (key, value) VALUES (%Q, %lld) "
                                    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                                    key, (long long)value),
                    e);
}

int schema_check_version(sqlite3 *sql, const char *path, struct err *e)
{
    int64_t version;

    if (schema_get_meta(sql, "schema_version", &version, e) < 0)
        return -1;
    if (version > SCHEMA_VERSION)
        return err_internal(e,
                            "the database %s has schema version %lld, this program knows up to %d: start the "
                            "newer program again, or put a backup from before the upgrade in its place",
                            path, (long long)version, SCHEMA_VERSION);
    return 0;
}

/* Copy the file as it is, before its shape changes. Its name says from which shape and when, so a migration
 * that is repeated makes the same copy again. */
static int back_up(sqlite3 *sql, const char *path, int64_t fingerprint, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *name, *temporary;
    int64_t generation;
    CLEANUP_FD int fd = -1;

    if (schema_get_meta(sql, "generation", &generation, e) < 0)
        return -1;
    name = talloc_asprintf(mem, "%s.before-migration-%016llx-%lld", path, (long long unsigned)fingerprint,
                           (long long)generation);
    temporary = talloc_asprintf(mem, "%s.new", name);
    unlink(temporary);
    if (sql_exec(sql, sqlite3_mprintf("VACUUM INTO %Q", temporary), e) < 0)
        return -1;
    fd = open(temporary, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0 || rename(temporary, name) < 0)
        return err_errno(e, -errno, "keeping a copy of the database as %s", name);
    log_info("database: %s is changed to the present model; a copy from before is kept as %s", path, name);
    return 0;
}

/* Generations after a start are higher than any that was ever handed out before, also by memory-only changes.
 */
static int take_generation(sqlite3 *sql, struct db *db, struct err *e)
{
    int64_t generation, limit;

    if (schema_get_meta(sql, "generation", &generation, e) < 0 ||
        schema_get_meta(sql, "generation_limit", &limit, e) < 0)
        return -1;
    if (limit > generation)
        generation = limit;
    if ((uint64_t)generation > db->generation)
        db->generation = (uint64_t)generation;
    db->generation++;
    db->tombstones.oldest = db->generation;
    db->store->limit = db->store->limit_wanted = db->generation + GENERATION_RESERVE;
    return meta_set(sql, "generation_limit", (int64_t)db->store->limit, e);
}

static int fit(sqlite3 *sql, struct err *e)
{
    if (fit_tables(sql, e) < 0 || meta_set(sql, "model_fingerprint", schema_fingerprint(), e) < 0)
        return -1;
    return meta_set(sql, "schema_version", SCHEMA_VERSION, e);
}

/* End the transaction that all of this runs in: should the process die before, the next start does it again.
 */
static int finish(sqlite3 *sql, struct err *e)
{
    if (fault_point(FAULT_DB, "database start") < 0)
        return err_internal(e, "the database could not be opened");
    return sql_exec(sql, sqlite3_mprintf("COMMIT"), e);
}

int schema_make(sqlite3 *sql, struct err *e)
{
    if (sql_exec(sql, sqlite3_mprintf("PRAGMA application_id = %d", STORE_APPLICATION_ID), e) < 0 ||
        sql_exec(sql, sqlite3_mprintf("BEGIN IMMEDIATE"), e) < 0 ||
        sql_exec(sql, sqlite3_mprintf("CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value INTEGER)"),
                 e) < 0)
        return -1;
    if (fit(sql, e) < 0 || meta_set(sql, "generation", 0, e) < 0 ||
        meta_set(sql, "generation_limit", 0, e) < 0)
        return -1;
    return finish(sql, e);
}

int schema_open(sqlite3 *sql, const char *path, struct db *db, struct err *e)
{
    int64_t fingerprint;
    struct load_manner how = {0};

    if (schema_check_version(sql, path, e) < 0 ||
        schema_get_meta(sql, "model_fingerprint", &fingerprint, e) < 0)
        return -1;
    how.mend = fingerprint != schema_fingerprint();
    if (how.mend && back_up(sql, path, fingerprint, e) < 0)
        return -1;
    if (sql_exec(sql, sqlite3_mprintf("BEGIN IMMEDIATE"), e) < 0 || (how.mend && fit(sql, e) < 0))
        return -1;
    if (load_rows(sql, db, &how, e) < 0 || take_generation(sql, db, e) < 0)
        return -1;
    return finish(sql, e);
}
