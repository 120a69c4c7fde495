#include "db/check.h"
#include <string.h>
#include <talloc.h>
#include "db/file.h"
#include "db/store.h"

/* What one look says at most about the file's pages. */
#define PAGE_PROBLEMS_MAX 100

struct check {
    sqlite3 *sql;
    struct db *db;
    db_tell *tell;
    void *arg;
    void *mem; /* of the row at hand */
};

static void __attribute__((format(printf, 2, 3))) say(struct check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    c->tell(talloc_vasprintf(c->mem, fmt, ap), c->arg);
    va_end(ap);
}

/* ---- the file ---- */

static int check_owner(sqlite3 *sql, const char *path, struct err *e)
{
    CLEANUP_ERR struct err reason = {0};
    int64_t id;

    if (sql_get_int(sql, "PRAGMA application_id", &id, &reason) < 0)
        return sqlite3_errcode(sql) == SQLITE_NOTADB
                   ? err_internal(e, "%s is not a database", path)
                   : err_internal(e, "the database %s is damaged: %s", path, sqlite3_errmsg(sql));
    return id == STORE_APPLICATION_ID ? 0 : err_internal(e, "%s is a database of another program", path);
}

/* Each line that SQLite has to say about the file. */
static void check_pages(struct check *c)
{
    sqlite3_stmt *stmt = NULL;
    char *query = sqlite3_mprintf("PRAGMA integrity_check(%d)", PAGE_PROBLEMS_MAX);
    int rc = sqlite3_prepare_v2(c->sql, query, -1, &stmt, NULL);

    sqlite3_free(query);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);

        if (text && strcmp(text, "ok") != 0)
            say(c, "the file is damaged: %s", text);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        say(c, "the file is damaged: %s", sqlite3_errmsg(c->sql));
    sqlite3_finalize(stmt);
}

int db_check_whole(const char *path, struct err *e)
{
    CLEANUP_DB_FILE struct db_file f = DB_FILE_NONE;
    sqlite3_stmt *stmt = NULL;
    int rc;

    if (db_file_open(path, &f, e) < 0 || check_owner(f.sql, path, e) < 0 ||
        schema_check_version(f.sql, path, e) < 0)
        return -1;
    rc = sqlite3_prepare_v2(f.sql, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW || strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        err_internal(e, "the database %s is damaged: %s", path,
                     rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : sqlite3_errmsg(f.sql));
    sqlite3_finalize(stmt);
    return err_is_set(e) ? -1 : 0;
}

/* ---- rows ---- */

const char *db_row_text(void *ctx, const struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];
    char ref[REF_TEXT_SIZE];

    ref_format(row->ref, ref);
    if (c->uuid_field < 0)
        return talloc_asprintf(ctx, "%s %s", c->name, ref);
    return talloc_asprintf(ctx, "%s %s (uuid %s)", c->name, ref, cell_load(row, &c->fields[c->uuid_field]).s);
}

static void check_uuid(struct check *c, const struct row *row)
{
    const struct model_class *cls = &model_classes[row->cls];
    const char *uuid;

    if (cls->uuid_field < 0)
        return;
    uuid = cell_load(row, &cls->fields[cls->uuid_field]).s;
    if (!*uuid)
        say(c, "%s has no uuid", db_row_text(c->mem, row));
    else if (db_get_by_uuid(c->db, row->cls, uuid) != row)
        say(c, "%s has the uuid of another row", db_row_text(c->mem, row));
}

/* References to what is not kept in the file mean nothing after a start. */
static void check_ref(struct check *c, const struct row *row, const struct model_field *f,
                      enum model_class_id cls, struct ref ref)
{
    char text[REF_TEXT_SIZE];

    if (ref_is_null(ref) || !model_classes[cls].stored || !model_classes[cls].persistent ||
        db_get(c->db, cls, ref))
        return;
    ref_format(ref, text);
    say(c, "%s: %s names the %s %s, which is not there", db_row_text(c->mem, row), f->name,
        model_classes[cls].name, text);
}

static void check_value(struct check *c, const struct row *row, const struct model_field *f,
                        const struct model_type *t, union value v)
{
    if (t->kind == KIND_REF)
        check_ref(c, row, f, t->cls, v.r);
    for (uint32_t i = 0; t->kind == KIND_SET && i < set_count(v.set); i++)
        check_value(c, row, f, t->elem, v.set->v[i]);
    for (uint32_t i = 0; t->kind == KIND_MAP && i < map_count(v.map); i++) {
        check_value(c, row, f, t->key, v.map->e[i].k);
        check_value(c, row, f, t->elem, v.map->e[i].v);
    }
}

static void check_row(struct check *c, const struct row *row)
{
    const struct model_class *cls = &model_classes[row->cls];

    check_uuid(c, row);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        if (field_has_column(cls, &cls->fields[i]))
            check_value(c, row, &cls->fields[i], cls->fields[i].type, cell_load(row, &cls->fields[i]));
    }
    talloc_free_children(c->mem);
}

void db_check_rows(struct db *db, db_tell *tell, void *arg)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct check c = {.db = db, .tell = tell, .arg = arg, .mem = mem};

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        DB_FOREACH (db, cls, row)
            check_row(&c, row);
    }
}

/* ---- all of it ---- */

static int check_shape(struct check *c, const char *path, bool *ret_is_ours, struct err *e)
{
    CLEANUP_ERR struct err reason = {0};
    int64_t fingerprint, unused;

    *ret_is_ours = false;
    if (schema_get_meta(c->sql, "schema_version", &unused, &reason) < 0 ||
        schema_get_meta(c->sql, "model_fingerprint", &fingerprint, &reason) < 0 ||
        schema_get_meta(c->sql, "generation", &unused, &reason) < 0 ||
        schema_get_meta(c->sql, "generation_limit", &unused, &reason) < 0) {
        say(c, "what the file knows about itself cannot be read: %s", reason.params[0]);
        return 0;
    }
    if (schema_check_version(c->sql, path, e) < 0)
        return -1;
    *ret_is_ours = fingerprint == schema_fingerprint();
    if (!*ret_is_ours)
        log_info(
            "database: %s has another program version's shape, so its rows are not looked at; the next start "
            "changes it",
            path);
    return 0;
}

static int check_file(struct check *c, const char *path, struct err *e)
{
    struct load_manner how = {.tell = c->tell, .arg = c->arg};
    bool is_ours;

    if (check_owner(c->sql, path, e) < 0 || sql_exec(c->sql, sqlite3_mprintf("BEGIN"), e) < 0)
        return -1;
    check_pages(c);
    if (check_shape(c, path, &is_ours, e) < 0)
        return -1;
    if (is_ours && load_rows(c->sql, c->db, &how, e) < 0)
        return -1;
    return 0;
}

int db_check(const char *path, db_tell *tell, void *arg, struct db **ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_DB_FILE struct db_file f = DB_FILE_NONE;
    struct check c = {.tell = tell, .arg = arg, .mem = mem};

    if (db_file_open(path, &f, e) < 0 || db_open(NULL, &c.db, e) < 0)
        return -1;
    c.sql = f.sql;
    if (check_file(&c, path, e) < 0) {
        db_close(c.db);
        return -1;
    }
    *ret = c.db;
    return 0;
}
