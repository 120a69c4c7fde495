/* Values as the text that the database stores, and back. */
#include "model/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <jansson.h>
#include <talloc.h>
#include "lib/buf.h"
#include "lib/mem.h"
#include "model/model.h"

#define SCALAR_TEXT_SIZE 64

static char *must_copy(void *ctx, const char *text, size_t len)
{
    char *copy = talloc_strndup(ctx, text, len);
    if (!copy)
        mem_abort();
    return copy;
}

/* The shortest of three precisions that reads back as the same number. */
static void format_float(double f, char text[SCALAR_TEXT_SIZE])
{
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, SCALAR_TEXT_SIZE, "%.*g", precision, f);
        if (isnan(f) || strtod(text, NULL) == f)
            return;
    }
}

/* The text of a value that is no set or map; it is in v, in the model or in scratch. */
static const char *scalar_text(const struct model_type *t, union value v, char scratch[SCALAR_TEXT_SIZE])
{
    scratch[0] = '\0';
    switch (t->kind) {
    case KIND_STRING:
        return v.s ? v.s : "";
    case KIND_ENUM:
        return v.i >= 0 && v.i < t->enums->n ? t->enums->values[v.i] : "";
    case KIND_INT:
        snprintf(scratch, SCALAR_TEXT_SIZE, "%lld", (long long)v.i);
        break;
    case KIND_DATETIME:
        datetime_format(v.i, scratch);
        break;
    case KIND_BOOL:
        return v.b ? "true" : "false";
    case KIND_FLOAT:
        format_float(v.f, scratch);
        break;
    case KIND_REF:
        ref_format(v.r, scratch);
        break;
    default:
        break;
    }
    return scratch;
}

static void add_json_string(struct buf *b, const char *s)
{
    buf_add_char(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_add_char(b, '\\');
        if (c < 0x20)
            buf_printf(b, "\\u%04x", c);
        else
            buf_add_char(b, *s);
    }
    buf_add_char(b, '"');
}

/* JSON has numbers and truth values of its own; all else, NaN and infinity included, is a string there. */
static bool is_bare_in_json(const struct model_type *t, union value v)
{
    return t->kind == KIND_INT || t->kind == KIND_BOOL || (t->kind == KIND_FLOAT && isfinite(v.f));
}

static void add_json(struct buf *b, const struct model_type *t, union value v)
{
    char scratch[SCALAR_TEXT_SIZE];
    if (t->kind == KIND_SET) {
        for (uint32_t i = 0; i < set_count(v.set); i++) {
            buf_add_char(b, i ? ',' : '[');
            add_json(b, t->elem, v.set->v[i]);
        }
        buf_add_str(b, set_count(v.set) ? "]" : "[]");
    } else if (t->kind == KIND_MAP) {
        for (uint32_t i = 0; i < map_count(v.map); i++) {
            buf_add_char(b, i ? ',' : '{');
            add_json_string(b, scalar_text(t->key, v.map->e[i].k, scratch));
            buf_add_char(b, ':');
            add_json(b, t->elem, v.map->e[i].v);
        }
        buf_add_str(b, map_count(v.map) ? "}" : "{}");
    } else if (is_bare_in_json(t, v)) {
        buf_add_str(b, scalar_text(t, v, scratch));
    } else {
        add_json_string(b, scalar_text(t, v, scratch));
    }
}

/* The text of any value, on ctx; "" for void and for what is never stored. */
const char *value_to_text(void *ctx, const struct model_type *t, union value v)
{
    char scratch[SCALAR_TEXT_SIZE];
    if (t->kind != KIND_SET && t->kind != KIND_MAP) {
        const char *text = scalar_text(t, v, scratch);
        return must_copy(ctx, text, strlen(text));
    }
    CLEANUP_BUF struct buf b = {0};
    add_json(&b, t, v);
    return must_copy(ctx, b.data, b.len);
}

/* strtoll and strtod skip white space and stop early; a value is the whole text. */
static bool starts_number(const char *text)
{
    return *text && !strchr(" \t\n\v\f\r", *text);
}

static bool int_from_text(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!starts_number(text) || *end || errno)
        return false;
    *ret = n;
    return true;
}

static bool float_from_text(const char *text, double *ret)
{
    char *end;
    double f = strtod(text, &end);
    if (!starts_number(text) || *end)
        return false;
    *ret = f;
    return true;
}

static bool scalar_from_text(void *ctx, const struct model_type *t, const char *text, union value *ret)
{
    switch (t->kind) {
    case KIND_STRING:
        ret->s = must_copy(ctx, text, strlen(text));
        return true;
    case KIND_INT:
        return int_from_text(text, &ret->i);
    case KIND_FLOAT:
        return float_from_text(text, &ret->f);
    case KIND_BOOL:
        ret->b = strcmp(text, "true") == 0;
        return ret->b || strcmp(text, "false") == 0;
    case KIND_DATETIME:
        return datetime_parse(text, &ret->i);
    case KIND_ENUM:
        ret->i = model_enum_index(t->enums, text);
        return ret->i >= 0;
    case KIND_REF:
        return ref_parse(text, &ret->r);
    default:
        return false;
    }
}

static bool from_json(void *ctx, const struct model_type *t, const json_t *j, union value *ret);

static bool set_from_json(void *ctx, const struct model_type *t, const json_t *j, union value *ret)
{
    if (!json_is_array(j))
        return false;
    size_t n = json_array_size(j);
    struct set *s = talloc_zero_size(ctx, sizeof(*s) + n * sizeof(s->v[0]));
    if (!s)
        mem_abort();
    s->n = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        if (!from_json(s, t->elem, json_array_get(j, i), &s->v[i]))
            return false;
    ret->set = s;
    return true;
}

static bool map_from_json(void *ctx, const struct model_type *t, json_t *j, union value *ret)
{
    if (!json_is_object(j))
        return false;
    struct map *m = talloc_zero_size(ctx, sizeof(*m) + json_object_size(j) * sizeof(m->e[0]));
    if (!m)
        mem_abort();
    const char *key;
    json_t *item;
    json_object_foreach (j, key, item) {
        struct map_entry *entry = &m->e[m->n++];
        if (!scalar_from_text(m, t->key, key, &entry->k) || !from_json(m, t->elem, item, &entry->v))
            return false;
    }
    map_sort(t, m);
    ret->map = m;
    return true;
}

static bool from_json(void *ctx, const struct model_type *t, const json_t *j, union value *ret)
{
    if (t->kind == KIND_SET)
        return set_from_json(ctx, t, j, ret);
    if (t->kind == KIND_MAP)
        return map_from_json(ctx, t, (json_t *)j, ret);
    if (json_is_string(j))
        return scalar_from_text(ctx, t, json_string_value(j), ret);
    if (t->kind == KIND_INT && json_is_integer(j)) {
        ret->i = json_integer_value(j);
        return true;
    }
    if (t->kind == KIND_FLOAT && json_is_number(j)) {
        ret->f = json_number_value(j);
        return true;
    }
    if (t->kind == KIND_BOOL && json_is_boolean(j)) {
        ret->b = json_is_true(j);
        return true;
    }
    return false;
}

/* Read what value_to_text wrote; false, with *ret undefined, when text is not of the type. */
bool value_from_text(void *ctx, const struct model_type *t, const char *text, union value *ret)
{
    *ret = (union value){0};
    if (t->kind != KIND_SET && t->kind != KIND_MAP)
        return scalar_from_text(ctx, t, text, ret);
    json_t *j = json_loads(text, 0, NULL);
    if (!j)
        return false;
    void *mem = talloc_new(NULL);
    bool ok = from_json(mem, t, j, ret);
    if (ok)
        *ret = value_copy(ctx, t, *ret);
    talloc_free(mem);
    json_decref(j);
    return ok;
}
