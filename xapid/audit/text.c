#include "xapid/audit/text.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "lib/log.h"
#include "lib/utf8.h"
#include "xapid/field.h"
#include "xapid/reftext.h"

enum { VALUE_MAX = 256, PARAMS_MAX = 4096 };

void audit_add_quoted(struct buf *b, const char *text, size_t max)
{
    size_t n = strlen(text), at = 0;
    buf_add_char(b, '\'');
    while (at < n) {
        size_t step = utf8_next(text + at, n - at);
        step = step > 0 ? step : 1;
        if (at + step > max) {
            buf_add_lit(b, "...");
            break;
        }
        if (text[at] == '\'' || text[at] == '\\')
            buf_add_char(b, '\\');
        log_escape(b, text + at, step);
        at += step;
    }
    buf_add_char(b, '\'');
}

/* Names of passwords and keys as the datamodel, storage drivers and directories spell them. */
bool audit_is_secret(const char *name)
{
    static const char *const words[] = {"pass", "pwd", "secret", "private", "credential", "token"};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

/* ---- one value ---- */

static void add_begin(struct buf *b, const char *name)
{
    if (b->len > 0 && b->data[b->len - 1] == ')')
        buf_add_char(b, ' ');
    buf_add_char(b, '(');
    audit_add_quoted(b, name, VALUE_MAX);
    buf_add_char(b, ' ');
}

static void add_plain(struct buf *b, const char *name, const char *text)
{
    add_begin(b, name);
    audit_add_quoted(b, text, VALUE_MAX);
    buf_add_lit(b, " '' '')");
}

/* A text field of a row; "" where the class has none such. */
static const char *row_text(const struct row *row, int field)
{
    const struct model_class *c = &model_classes[row->cls];
    return field < 0
               ? ""
               : text_of(*(const char *const *)(const void *)((const char *)row + c->fields[field].offset));
}

static void add_row(struct buf *b, const char *name, const struct row *row)
{
    const struct model_class *c = &model_classes[row->cls];
    add_begin(b, name);
    audit_add_quoted(b, row_text(row, c->name_field), VALUE_MAX);
    buf_add_char(b, ' ');
    audit_add_quoted(b, row_text(row, c->uuid_field), VALUE_MAX);
    buf_add_char(b, ' ');
    audit_add_quoted(b, row->cls == CLASS_SESSION ? "<hidden>" : REF_TEXT(row->ref), REF_TEXT_SIZE);
    buf_add_char(b, ')');
}

static void add_text(struct buf *b, struct db *db, const char *name, const struct model_type *type,
                     const char *s)
{
    struct ref ref;
    bool is_ref = type && type->kind == KIND_REF && ref_parse(s, &ref);
    const struct row *row = is_ref ? db_get(db, type->cls, ref) : NULL;
    if (row)
        add_row(b, name, row);
    else if ((is_ref && type->cls == CLASS_SESSION) || strstr(s, "PRIVATE KEY"))
        add_plain(b, name, "<hidden>");
    else
        add_plain(b, name, s);
}

static void add_number(struct buf *b, const char *name, const struct wire *w)
{
    char text[64] = "";
    if (w->kind == WIRE_INT)
        snprintf(text, sizeof text, "%" PRId64, w->i);
    else if (w->kind == WIRE_DOUBLE)
        snprintf(text, sizeof text, "%g", w->f);
    else if (w->kind == WIRE_BOOL)
        snprintf(text, sizeof text, "%s", w->i ? "true" : "false");
    add_plain(b, name, text);
}

static void add_value(struct buf *b, struct db *db, const char *name, const struct model_type *type,
                      const struct wire *w, bool nested);

static bool is_full(struct buf *b, size_t start)
{
    if (b->len - start < PARAMS_MAX)
        return false;
    buf_add_lit(b, " (...)");
    return true;
}

/* Members that are lists themselves show as such only. */
static void add_members(struct buf *b, struct db *db, const char *name, const struct model_type *type,
                        const struct wire *w)
{
    const struct model_type *elem =
        type && (type->kind == KIND_SET || type->kind == KIND_MAP) ? type->elem : NULL;
    size_t start = b->len;
    add_begin(b, name);
    buf_add_char(b, '(');
    for (uint32_t i = 0; i < w->n && !is_full(b, start); i++)
        if (w->kind == WIRE_STRUCT)
            add_value(b, db, w->members[i].name, elem, &w->members[i].value, true);
        else
            add_value(b, db, "", elem, &w->items[i], true);
    buf_add_lit(b, ") '' '')");
}

static void add_value(struct buf *b, struct db *db, const char *name, const struct model_type *type,
                      const struct wire *w, bool nested)
{
    bool has_members = w->kind == WIRE_STRUCT || w->kind == WIRE_ARRAY;
    if (audit_is_secret(name))
        add_plain(b, name, "<hidden>");
    else if (has_members && nested)
        add_plain(b, name, "...");
    else if (has_members)
        add_members(b, db, name, type, w);
    else if (w->kind == WIRE_STRING || w->kind == WIRE_NOT_UTF8)
        add_text(b, db, name, type, text_of(w->s));
    else
        add_number(b, name, w);
}

/* ---- a call's ---- */

/* The value of a class whose values are secrets, or of a key that says so. */
static bool is_secret_here(const struct model_message *m, const char *name, const char *key)
{
    return strcmp(name, "value") == 0 && (m->cls == CLASS_SECRET || (key && audit_is_secret(key)));
}

static void add_param(struct buf *b, struct db *db, const struct model_message *m,
                      const struct model_param *p, const struct wire *w, const char *key)
{
    if (is_secret_here(m, p->name, key))
        add_plain(b, p->name, "<hidden>");
    else
        add_value(b, db, p->name, p->type, w, false);
}

static void add_record(struct buf *b, struct db *db, const struct model_message *m, const struct wire *record,
                       size_t start)
{
    for (unsigned i = 0; i < m->n_members && !is_full(b, start); i++) {
        const struct wire *w = wire_member(record, m->members[i].name);
        if (w)
            add_param(b, db, m, &m->members[i], w, NULL);
    }
}

void audit_add_params(struct buf *b, struct db *db, const struct model_message *m, const struct wire *params,
                      uint32_t n)
{
    const char *key = NULL;
    size_t start = b->len;
    buf_add_char(b, '(');
    if (m->n_members > 0 && n > 0 && params[0].kind == WIRE_STRUCT)
        add_record(b, db, m, &params[0], start);
    for (uint32_t i = 0; m->n_members == 0 && i < n && i < m->n_params && !is_full(b, start); i++) {
        add_param(b, db, m, &m->params[i], &params[i], key);
        key = params[i].kind == WIRE_STRING ? params[i].s : NULL;
    }
    buf_add_char(b, ')');
}

void audit_add_query(struct buf *b, const struct row *self, const struct http_request *r)
{
    size_t start = b->len;
    buf_add_char(b, '(');
    if (self)
        add_row(b, "self", self);
    for (unsigned i = 0; i < r->n_query && !is_full(b, start); i++) {
        const char *name = r->query[i].name;
        if (strcmp(name, "session_id") != 0 && strcmp(name, "task_id") != 0 &&
            strcmp(name, "subtask_of") != 0)
            add_plain(b, name, audit_is_secret(name) ? "<hidden>" : r->query[i].value);
    }
    buf_add_char(b, ')');
}
