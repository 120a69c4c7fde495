#include "rpc/wire.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "rpc/number.h"

const struct wire *wire_member(const struct wire *w, const char *name)
{
    if (w->kind != WIRE_STRUCT)
        return NULL;
    for (uint32_t i = 0; i < w->n; i++)
        if (strcmp(w->members[i].name, name) == 0)
            return &w->members[i].value;
    return NULL;
}

const char *wire_member_string(const struct wire *w, const char *name)
{
    const struct wire *member = wire_member(w, name);
    return member != NULL && member->kind == WIRE_STRING ? member->s : NULL;
}

struct wire wire_string(const char *s)
{
    return (struct wire){.kind = WIRE_STRING, .s = s};
}

struct wire wire_int(int64_t i)
{
    return (struct wire){.kind = WIRE_INT, .i = i};
}

struct wire wire_bool(bool b)
{
    return (struct wire){.kind = WIRE_BOOL, .i = b};
}

struct wire wire_double(double f)
{
    return (struct wire){.kind = WIRE_DOUBLE, .f = f};
}

static int int_from_wire(const struct wire *w, const char *what, int64_t *ret, struct err *e)
{
    if (w->kind == WIRE_INT)
        *ret = w->i;
    else if (w->kind == WIRE_DOUBLE && w->f >= -0x1p53 && w->f <= 0x1p53 && trunc(w->f) == w->f)
        *ret = (int64_t)w->f;
    else if (w->kind != WIRE_STRING)
        return err_field_type_error(e, what);
    else if (!number_parse_int(w->s, strlen(w->s), ret))
        return err_invalid_value(e, what, w->s);
    return 0;
}

static int float_from_wire(const struct wire *w, const char *what, double *ret, struct err *e)
{
    if (w->kind == WIRE_DOUBLE)
        *ret = w->f;
    else if (w->kind == WIRE_INT)
        *ret = (double)w->i;
    else if (w->kind != WIRE_STRING)
        return err_field_type_error(e, what);
    else if (!number_parse_double(w->s, ret))
        return err_invalid_value(e, what, w->s);
    return 0;
}

static int bool_from_wire(const struct wire *w, const char *what, bool *ret, struct err *e)
{
    if (w->kind == WIRE_BOOL || (w->kind == WIRE_INT && (w->i == 0 || w->i == 1)))
        *ret = w->i != 0;
    else if (w->kind != WIRE_STRING)
        return err_field_type_error(e, what);
    else if (!number_parse_bool(w->s, ret))
        return err_invalid_value(e, what, w->s);
    return 0;
}

/* The kinds that are always written as text. */
static int text_from_wire(const struct model_type *t, const struct wire *w, const char *what,
                          union value *ret, struct err *e)
{
    if (w->kind != WIRE_STRING)
        return err_field_type_error(e, what);
    if (t->kind == KIND_STRING) {
        ret->s = w->s;
        return 0;
    }
    if (t->kind == KIND_REF)
        return ref_parse(w->s, &ret->r) ? 0 : err_handle_invalid(e, model_classes[t->cls].name, w->s);
    if (t->kind == KIND_DATETIME)
        return datetime_parse(w->s, &ret->i) ? 0 : err_invalid_value(e, what, w->s);
    ret->i = model_enum_index(t->enums, w->s);
    return ret->i >= 0 ? 0 : err_invalid_value(e, what, w->s);
}

static int set_from_wire(void *ctx, const struct model_type *t, const struct wire *w, const char *what,
                         union value *ret, struct err *e)
{
    if (w->kind != WIRE_ARRAY)
        return err_field_type_error(e, what);
    struct set *set = talloc_zero_size(ctx, sizeof(*set) + w->n * sizeof(set->v[0]));
    if (set == NULL)
        mem_abort();
    set->n = w->n;
    for (uint32_t i = 0; i < w->n; i++)
        if (wire_to_value(ctx, t->elem, &w->items[i], what, &set->v[i], e) < 0)
            return -1;
    ret->set = set;
    return 0;
}

static int map_from_wire(void *ctx, const struct model_type *t, const struct wire *w, const char *what,
                         union value *ret, struct err *e)
{
    /* Languages with one empty collection write an empty map as an empty array. */
    if (w->kind != WIRE_STRUCT && !(w->kind == WIRE_ARRAY && w->n == 0))
        return err_field_type_error(e, what);
    struct map *map = talloc_zero_size(ctx, sizeof(*map) + w->n * sizeof(map->e[0]));
    if (map == NULL)
        mem_abort();
    map->n = w->n;
    for (uint32_t i = 0; i < w->n; i++) {
        struct wire key = wire_string(w->members[i].name);
        if (wire_to_value(ctx, t->key, &key, what, &map->e[i].k, e) < 0 ||
            wire_to_value(ctx, t->elem, &w->members[i].value, what, &map->e[i].v, e) < 0)
            return -1;
    }
    map_sort(t, map);
    ret->map = map;
    return 0;
}

static int convert(void *ctx, const struct model_type *t, const struct wire *w, const char *what,
                   union value *v, struct err *e)
{
    switch (t->kind) {
    case KIND_VOID:
    case KIND_RECORD:
        return 0;
    case KIND_INT:
        return int_from_wire(w, what, &v->i, e);
    case KIND_FLOAT:
        return float_from_wire(w, what, &v->f, e);
    case KIND_BOOL:
        return bool_from_wire(w, what, &v->b, e);
    case KIND_STRING:
    case KIND_DATETIME:
    case KIND_ENUM:
    case KIND_REF:
        return text_from_wire(t, w, what, v, e);
    case KIND_SET:
        return set_from_wire(ctx, t, w, what, v, e);
    case KIND_MAP:
        return map_from_wire(ctx, t, w, what, v, e);
    case KIND_OPTION:
        return w->kind == WIRE_NIL ? 0 : wire_to_value(ctx, t->elem, w, what, v, e);
    }
    return err_field_type_error(e, what);
}

int wire_to_value(void *ctx, const struct model_type *t, const struct wire *w, const char *what,
                  union value *ret, struct err *e)
{
    union value v;
    memset(&v, 0, sizeof(v));
    if (w->kind == WIRE_NOT_UTF8)
        return err_invalid_value(e, what, w->s);
    if (convert(ctx, t, w, what, &v, e) < 0)
        return -1;
    *ret = v;
    return 0;
}
