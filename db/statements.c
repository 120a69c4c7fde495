/* The SQL that writes batches. Statements are prepared once for each set of columns that is ever written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db/store.h"
#include "lib/mem.h"

#define CACHE_MAX 1000

struct statement {
    enum batch_op op;
    enum model_class_id cls;
    struct field_mask fields;
    sqlite3_stmt *stmt;
};

int statements_init(struct statements *s, sqlite3 *sql)
{
    const char *set_meta = "UPDATE meta SET value = ?2 WHERE key = ?1";

    s->sql = sql;
    if (sqlite3_prepare_v2(sql, "BEGIN IMMEDIATE", -1, &s->begin, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sql, "COMMIT", -1, &s->commit, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sql, "ROLLBACK", -1, &s->rollback, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sql, set_meta, -1, &s->set_meta, NULL) != SQLITE_OK)
        return -EIO;
    return 0;
}

static void cache_clear(struct statements *s)
{
    for (uint32_t i = 0; s->cache.items && i <= s->cache.mask; i++) {
        struct statement *st = s->cache.items[i];

        if (st) {
            sqlite3_finalize(st->stmt);
            free(st);
        }
    }
    table_fini(&s->cache);
}

void statements_fini(struct statements *s)
{
    cache_clear(s);
    sqlite3_finalize(s->begin);
    sqlite3_finalize(s->commit);
    sqlite3_finalize(s->rollback);
    sqlite3_finalize(s->set_meta);
    *s = (struct statements){0};
}

/* ---- texts ---- */

static void add_insert(struct buf *out, const struct model_class *c, const struct field_mask *fields)
{
    unsigned n = 3;

    buf_printf(out, "INSERT INTO \"%s\" (ref, created_generation, modified_generation", c->name);
    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_mask_has(fields, i)) {
            buf_printf(out, ", \"%s\"", c->fields[i].name);
            n++;
        }
    }
    buf_add_lit(out, ") VALUES (?");
    while (--n > 0)
        buf_add_lit(out, ", ?");
    buf_add_char(out, ')');
}

static void add_update(struct buf *out, const struct model_class *c, const struct field_mask *fields)
{
    buf_printf(out, "UPDATE \"%s\" SET modified_generation = ?", c->name);
    for (unsigned i = 0; i < c->n_fields; i++) {
        if (field_mask_has(fields, i))
            buf_printf(out, ", \"%s\" = ?", c->fields[i].name);
    }
    buf_add_lit(out, " WHERE ref = ?");
}

static sqlite3_stmt *prepare(struct statements *s, const struct batch_change *change)
{
    const struct model_class *c = &model_classes[change->cls];
    CLEANUP_BUF struct buf text = {0};
    sqlite3_stmt *stmt = NULL;

    if (change->op == BATCH_INSERT)
        add_insert(&text, c, &change->fields);
    else if (change->op == BATCH_UPDATE)
        add_update(&text, c, &change->fields);
    else
        buf_printf(&text, "DELETE FROM \"%s\" WHERE ref = ?", c->name);
    sqlite3_prepare_v3(s->sql, buf_cstr(&text), -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    return stmt;
}

static sqlite3_stmt *statement_for(struct statements *s, const struct batch_change *change)
{
    uint32_t hash = (uint32_t)hash_bytes(&change->fields, sizeof change->fields,
                                         (uint64_t)change->op << 32 | change->cls);
    struct statement *st;
    uint32_t at = 0;

    while ((st = table_each(&s->cache, hash, &at))) {
        if (st->op == change->op && st->cls == change->cls &&
            memcmp(&st->fields, &change->fields, sizeof st->fields) == 0)
            return st->stmt;
    }
    if (s->cache.n >= CACHE_MAX)
        cache_clear(s);
    st = mem_zalloc(sizeof *st);
    *st = (struct statement){change->op, change->cls, change->fields, prepare(s, change)};
    if (!st->stmt) {
        free(st);
        return NULL;
    }
    table_add(&s->cache, hash, st);
    return st->stmt;
}

/* ---- values ---- */

static int bind_ref(sqlite3_stmt *stmt, int at, struct ref ref)
{
    char text[REF_TEXT_SIZE];

    ref_format(ref, text);
    return sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

static int bind_datetime(sqlite3_stmt *stmt, int at, int64_t seconds)
{
    char text[DATETIME_TEXT_SIZE];

    datetime_format(seconds, text);
    return sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

/* SQLite has no "not a number": it would become NULL. */
static int bind_float(sqlite3_stmt *stmt, int at, double f)
{
    return f != f ? sqlite3_bind_text(stmt, at, "NaN", -1, SQLITE_STATIC) : sqlite3_bind_double(stmt, at, f);
}

static int bind_value(sqlite3_stmt *stmt, int at, const struct model_type *t, const struct batch_value *v)
{
    switch (t->kind) {
    case KIND_STRING:
    case KIND_SET:
    case KIND_MAP:
        return sqlite3_bind_text(stmt, at, v->text, (int)v->length, SQLITE_STATIC);
    case KIND_FLOAT:
        return bind_float(stmt, at, v->f);
    case KIND_REF:
        return bind_ref(stmt, at, v->ref);
    case KIND_DATETIME:
        return bind_datetime(stmt, at, v->i);
    case KIND_ENUM:
        return sqlite3_bind_text(stmt, at, t->enums->values[v->i], -1, SQLITE_STATIC);
    default:
        return sqlite3_bind_int64(stmt, at, v->i);
    }
}

static int bind_fields(sqlite3_stmt *stmt, int *at, const struct batch_change *change, struct batch_reader *r)
{
    const struct model_class *c = &model_classes[change->cls];
    int rc = SQLITE_OK;

    for (unsigned i = 0; i < c->n_fields; i++) {
        struct batch_value v;

        if (!field_mask_has(&change->fields, i))
            continue;
        batch_next_value(r, c->fields[i].type->kind, &v);
        if (rc == SQLITE_OK)
            rc = bind_value(stmt, (*at)++, c->fields[i].type, &v);
    }
    return rc;
}

static int bind_change(sqlite3_stmt *stmt, const struct batch_change *change, struct batch_reader *r)
{
    int at = 1, rc = SQLITE_OK;

    if (change->op == BATCH_INSERT) {
        rc = bind_ref(stmt, at++, change->ref);
        if (rc == SQLITE_OK)
            rc = sqlite3_bind_int64(stmt, at++, (int64_t)change->created);
    }
    if (rc == SQLITE_OK && change->op != BATCH_DELETE)
        rc = sqlite3_bind_int64(stmt, at++, (int64_t)change->modified);
    if (rc == SQLITE_OK)
        rc = bind_fields(stmt, &at, change, r);
    if (rc == SQLITE_OK && change->op != BATCH_INSERT)
        rc = bind_ref(stmt, at, change->ref);
    return rc;
}

/* ---- writing ---- */

static int run(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int write_batch(struct statements *s, const struct batch *b)
{
    struct batch_reader r;
    struct batch_change change;
    int rc = SQLITE_OK;

    batch_read(b, &r);
    while (rc == SQLITE_OK && batch_next(&r, &change)) {
        sqlite3_stmt *stmt = statement_for(s, &change);

        if (!stmt)
            return sqlite3_errcode(s->sql);
        rc = bind_change(stmt, &change, &r);
        if (rc == SQLITE_OK)
            rc = run(stmt);
    }
    return rc;
}

static int write_meta(struct statements *s, const char *key, uint64_t value)
{
    sqlite3_bind_text(s->set_meta, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->set_meta, 2, (int64_t)value);
    return run(s->set_meta);
}

static int write_all(struct statements *s, const struct batch_list *batches, uint64_t generation_limit)
{
    const struct batch *b;
    uint64_t last = 0;
    int rc = run(s->begin);

    STAILQ_FOREACH (b, batches, link) {
        if (rc == SQLITE_OK)
            rc = write_batch(s, b);
        last = b->generation;
    }
    if (rc == SQLITE_OK && last != 0)
        rc = write_meta(s, "generation", last);
    if (rc == SQLITE_OK && generation_limit != 0)
        rc = write_meta(s, "generation_limit", generation_limit);
    return rc == SQLITE_OK ? run(s->commit) : rc;
}

int statements_write(struct statements *s, const struct batch_list *batches, uint64_t generation_limit,
                     char reason[STORE_REASON_SIZE])
{
    int rc = write_all(s, batches, generation_limit);

    if (rc == SQLITE_OK)
        return 0;
    snprintf(reason, STORE_REASON_SIZE, "%s", sqlite3_errmsg(s->sql));
    if (!sqlite3_get_autocommit(s->sql))
        run(s->rollback);
    return (rc & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO;
}
