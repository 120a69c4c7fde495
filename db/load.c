/* Reading the file into memory, once, at the start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/store.h"
#include "lib/mem.h"
#include "lib/utf8.h"

struct loader {
    sqlite3 *sql;
    struct db *db;
    const struct load_manner *how;
    void *mem; /* temporary values, emptied after each row */
    struct err *e;
};

static bool read_int(sqlite3_stmt *stmt, int at, const struct model_type *t, union value *ret)
{
    int64_t i = sqlite3_column_int64(stmt, at);

    if (sqlite3_column_type(stmt, at) != SQLITE_INTEGER || (t->kind == KIND_BOOL && i != 0 && i != 1))
        return false;
    if (t->kind == KIND_BOOL)
        ret->b = i != 0;
    else
        ret->i = i;
    return true;
}

static bool read_float(sqlite3_stmt *stmt, int at, union value *ret)
{
    int type = sqlite3_column_type(stmt, at);
    const unsigned char *text;

    if (type == SQLITE_FLOAT || type == SQLITE_INTEGER) {
        ret->f = sqlite3_column_double(stmt, at);
        return true;
    }
    text = sqlite3_column_text(stmt, at);
    if (!text || strcmp((const char *)text, "NaN") != 0)
        return false;
    ret->f = __builtin_nan("");
    return true;
}

/* The value of a column; false when it is none of the type. */
static bool read_value(struct loader *l, sqlite3_stmt *stmt, int at, const struct model_type *t,
                       union value *ret)
{
    const char *text;

    if (t->kind == KIND_INT || t->kind == KIND_BOOL)
        return read_int(stmt, at, t, ret);
    if (t->kind == KIND_FLOAT)
        return read_float(stmt, at, ret);
    if (sqlite3_column_type(stmt, at) != SQLITE_TEXT)
        return false;
    text = (const char *)sqlite3_column_text(stmt, at);
    if (!utf8_valid(text, (size_t)sqlite3_column_bytes(stmt, at)))
        return false;
    if (t->kind == KIND_STRING) {
        ret->s = text;
        return true;
    }
    if (strcmp(text, t->kind == KIND_SET ? "[]" : "{}") == 0) {
        ret->set = NULL;
        return t->kind == KIND_SET || t->kind == KIND_MAP;
    }
    return value_from_text(l->mem, t, text, ret);
}

/* Tell what is wrong and go on, or fail with it. */
static int object(struct loader *l, struct err *problem)
{
    if (l->how->tell) {
        l->how->tell(problem->params[0], l->how->arg);
        err_clear(problem);
        return 0;
    }
    return err_internal(l->e, "the database has %s: correct it with sqlite3 or put a backup in its place",
                        problem->params[0]);
}

static int refuse_value(struct loader *l, const struct model_class *c, const struct model_field *f,
                        const char *ref)
{
    CLEANUP_ERR struct err problem = {0};

    err_internal(&problem, "a value that is no %s in table %s, column %s, row %s", f->type->name, c->name,
                 f->name, ref);
    return object(l, &problem);
}

/* What an older model allowed and this one does not becomes the field's initial value, in the file too. */
static int mend(struct loader *l, const struct model_class *c, const struct model_field *f, const char *ref)
{
    char *literal = schema_default_literal(f);
    char *text =
        sqlite3_mprintf("UPDATE \"%w\" SET \"%w\" = %s WHERE ref = %Q", c->name, f->name, literal, ref);

    sqlite3_free(literal);
    log_warning("database: %s of %s had a value that the model no longer has; it is the initial one now",
                f->name, ref);
    return sql_exec(l->sql, text, l->e);
}

static int load_cell(struct loader *l, sqlite3_stmt *stmt, int at, struct row *row,
                     const struct model_field *f)
{
    const struct model_class *c = &model_classes[row->cls];
    const char *ref = (const char *)sqlite3_column_text(stmt, 0);
    union value v;

    if (sqlite3_column_type(stmt, at) == SQLITE_NULL)
        return 0;
    if (!read_value(l, stmt, at, f->type, &v))
        return l->how->mend ? mend(l, c, f, ref) : refuse_value(l, c, f, ref);
    cell_drop(&l->db->pool, f->type, cell_load(row, f));
    cell_store(row, f, cell_own(&l->db->pool, f->type, v, field_is_shared(c, (unsigned)(f - c->fields))));
    return 0;
}

static int load_cells(struct loader *l, sqlite3_stmt *stmt, struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];
    int at = 3;

    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_has_column(c, &c->fields[i]) && load_cell(l, stmt, at++, row, &c->fields[i]) < 0)
            return -1;
    }
    return 0;
}

/* The reference of a row, which nobody has yet: 1; 0 when the row is to be passed over, or -1. */
static int load_ref(struct loader *l, sqlite3_stmt *stmt, const struct model_class *c, struct ref *ret)
{
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    CLEANUP_ERR struct err problem = {0};

    if (!text || !ref_parse(text, ret) || ref_is_null(*ret))
        err_internal(&problem, "a row in table %s whose reference is not one: %s", c->name,
                     text ? text : "NULL");
    else if (index_by_ref(&l->db->index, c->id, *ret))
        err_internal(&problem, "two rows in table %s with the reference %s", c->name, text);
    else
        return 1;
    return object(l, &problem);
}

static int load_row(struct loader *l, sqlite3_stmt *stmt, const struct model_class *c)
{
    struct row *row;
    struct ref ref;
    int r = load_ref(l, stmt, c, &ref);

    if (r <= 0)
        return r;
    row = row_new(l->db, c->id, ref);
    if (load_cells(l, stmt, row) < 0) {
        row_free(l->db, row);
        return -1;
    }
    row->created = (uint64_t)sqlite3_column_int64(stmt, 1);
    row->modified = (uint64_t)sqlite3_column_int64(stmt, 2);
    row_enter(l->db, row);
    talloc_free_children(l->mem);
    return 0;
}

/* Columns stand behind the table's name: SQLite takes a quoted name that it does not know for a text. */
static void add_query(struct buf *out, const struct model_class *c)
{
    buf_add_lit(out, "SELECT ref, created_generation, modified_generation");
    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_has_column(c, &c->fields[i]))
            buf_printf(out, ", t.\"%s\"", c->fields[i].name);
    }
    buf_printf(out, " FROM \"%s\" AS t ORDER BY created_generation, rowid", c->name);
}

static int refuse_table(struct loader *l, const struct model_class *c)
{
    CLEANUP_ERR struct err problem = {0};

    if (!l->how->tell)
        return sql_error(l->sql, "reading a table", l->e);
    err_internal(&problem, "a table %s that cannot be read to its end: %s", c->name, sqlite3_errmsg(l->sql));
    return object(l, &problem);
}

static int load_class(struct loader *l, const struct model_class *c)
{
    CLEANUP_BUF struct buf query = {0};
    sqlite3_stmt *stmt = NULL;
    int rc, r = 0;

    add_query(&query, c);
    rc = sqlite3_prepare_v2(l->sql, buf_cstr(&query), -1, &stmt, NULL);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        r = load_row(l, stmt, c);
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = refuse_table(l, c);
    sqlite3_finalize(stmt);
    return r;
}

static int by_modified(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

    if (x->modified != y->modified)
        return x->modified < y->modified ? -1 : 1;
    if (x->cls != y->cls)
        return x->cls < y->cls ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Put all rows into the list by their last change. */
static void sort_by_modified(struct db *db)
{
    struct row **all = mem_zalloc((db->index.by_ref.n + 1) * sizeof(struct row *)), *row;
    size_t n = 0;

    for (unsigned cls = 0; cls < CLASS_COUNT; cls++) {
        TAILQ_FOREACH (row, &db->classes[cls].rows, in_class)
            all[n++] = row;
    }
    qsort(all, n, sizeof *all, by_modified);
    for (size_t i = 0; i < n; i++)
        TAILQ_INSERT_TAIL(&db->by_modified, all[i], by_modified);
    if (n > 0)
        db->generation = all[n - 1]->modified;
    free(all);
}

int load_rows(sqlite3 *sql, struct db *db, const struct load_manner *how, struct err *e)
{
    struct loader l = {.sql = sql, .db = db, .how = how, .e = e};
    int r = 0;

    l.mem = talloc_new(NULL);
    for (unsigned cls = 0; r == 0 && cls < CLASS_COUNT; cls++) {
        const struct model_class *c = &model_classes[cls];

        if (c->stored && c->persistent)
            r = load_class(&l, c);
    }
    talloc_free(l.mem);
    sort_by_modified(db);
    return r;
}
