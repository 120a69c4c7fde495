#include "pool/codec.h"
#include <stdint.h>
#include <string.h>
#include <talloc.h>
#include "lib/json_bounds.h"
#include "lib/mem.h"
#include "model/model.h"

/* ---- text ---- */

json_t *codec_parse(const char *text, size_t n, struct err *e)
{
    json_error_t fault;
    json_t *j;

    if (!json_is_within(text, n, CODEC_MAX_DEPTH, CODEC_MAX_VALUES)) {
        err_internal(e, "JSON that is too large");
        return NULL;
    }
    j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &fault);
    if (!j)
        err_internal(e, "no JSON: %s", fault.text);
    return j;
}

static int append(const char *bytes, size_t n, void *arg)
{
    buf_add(arg, bytes, n);
    return 0;
}

void codec_write(struct buf *out, json_t *j)
{
    if (json_dump_callback(j, append, out, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
        mem_abort();
    json_decref(j);
}

/* ---- encoding; NULL means that some text is no UTF-8 ---- */

static json_t *encode_map(const struct map *m)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < m->n; i++)
        if (json_object_set_new(object, m->e[i].k.s, json_string(m->e[i].v.s ? m->e[i].v.s : "")) < 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static json_t *encode_array(const struct codec_type *t, const char *items, unsigned n)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < n; i++)
        if (json_array_append_new(array, codec_encode(t, items + i * t->size)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *encode_field(const struct codec_field *f, const char *base)
{
    const char *at = base + f->offset;

    switch (f->kind) {
    case CODEC_BOOL:
        return json_boolean(*(const bool *)at);
    case CODEC_INT:
    case CODEC_INT_OR_NONE:
        return json_integer(*(const int64_t *)at);
    case CODEC_UNSIGNED:
        return json_integer(*(const unsigned *)at);
    case CODEC_ENUM:
        return json_string(f->names[*(const unsigned *)at]);
    case CODEC_UUID:
    case CODEC_UUID_OR_NONE:
    case CODEC_CHARS:
        return json_string(at);
    case CODEC_TEXT:
        return json_string(*(const char *const *)at);
    case CODEC_MAP:
        return encode_map(*(const struct map *const *)at);
    case CODEC_STRUCT:
        return codec_encode(f->type, at);
    case CODEC_POINTER:
        return codec_encode(f->type, *(const void *const *)at);
    case CODEC_ARRAY:
        return encode_array(f->type, *(const char *const *)at, *(const unsigned *)(base + f->count));
    }
    return NULL;
}

static bool may_be_absent(const struct codec_field *f)
{
    return f->kind == CODEC_TEXT || f->kind == CODEC_MAP || f->kind == CODEC_POINTER;
}

static bool is_absent(const struct codec_field *f, const char *base)
{
    return may_be_absent(f) && !*(const void *const *)(base + f->offset);
}

json_t *codec_encode(const struct codec_type *t, const void *value)
{
    json_t *object = json_object();

    for (const struct codec_field *f = t->fields; f->name; f++) {
        if (is_absent(f, value))
            continue;
        if (json_object_set_new(object, f->name, encode_field(f, value)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* ---- decoding; false means that the value is not of the field's kind ---- */

static bool decode_int(const json_t *j, int64_t min, int64_t max, int64_t *ret)
{
    *ret = json_integer_value(j);
    return json_is_integer(j) && *ret >= min && *ret <= max;
}

static bool decode_unsigned(const json_t *j, unsigned *ret)
{
    int64_t n;
    bool fits = decode_int(j, 0, UINT32_MAX, &n);

    *ret = (unsigned)n;
    return fits;
}

static bool decode_enum(const struct codec_field *f, const json_t *j, unsigned *ret)
{
    const char *name = json_string_value(j);

    for (unsigned i = 0; name && f->names[i]; i++)
        if (strcmp(f->names[i], name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static bool decode_chars(const json_t *j, char *ret, size_t size)
{
    size_t n = json_string_length(j);

    if (!json_is_string(j) || n >= size)
        return false;
    memcpy(ret, json_string_value(j), n + 1);
    return true;
}

static bool decode_uuid(const struct codec_field *f, const json_t *j, char *ret)
{
    bool none = f->kind == CODEC_UUID_OR_NONE;

    return decode_chars(j, ret, UUID_TEXT_SIZE) && ((none && !*ret) || uuid_is_valid(ret));
}

static bool decode_map(const json_t *j, void *ctx, const struct map **ret)
{
    size_t n = json_object_size(j);
    const char *key;
    json_t *value;

    if (!json_is_object(j) || n > CODEC_MAX_ITEMS)
        return false;
    struct map *m = talloc_zero_size(ctx, sizeof *m + n * sizeof m->e[0]);
    json_object_foreach ((json_t *)(uintptr_t)j, key, value) {
        if (!json_is_string(value))
            return false;
        m->e[m->n].k.s = talloc_strdup(m, key);
        m->e[m->n++].v.s = talloc_strdup(m, json_string_value(value));
    }
    map_sort(&model_type_string_map, m);
    *ret = m;
    return true;
}

/* These take the error along: what is wrong is further inside. */

static int decode_array(const struct codec_field *f, const json_t *j, void *ctx, char *base, struct err *e)
{
    size_t n = json_array_size(j);

    if (!json_is_array(j) || n > CODEC_MAX_ITEMS)
        return -1;
    char *items = n > 0 ? talloc_zero_size(ctx, n * f->type->size) : NULL;
    for (size_t i = 0; i < n; i++)
        if (codec_decode(f->type, json_array_get(j, i), ctx, items + i * f->type->size, e) < 0)
            return -1;
    *(const void **)(base + f->offset) = items;
    *(unsigned *)(base + f->count) = (unsigned)n;
    return 0;
}

static int decode_pointer(const struct codec_field *f, const json_t *j, void *ctx, const void **ret,
                          struct err *e)
{
    *ret = talloc_zero_size(ctx, f->type->size);
    return codec_decode(f->type, j, ctx, (void *)(uintptr_t)*ret, e);
}

static int decode_field(const struct codec_field *f, const json_t *j, void *ctx, char *base, struct err *e)
{
    char *at = base + f->offset;
    bool good = false;

    switch (f->kind) {
    case CODEC_BOOL:
        good = json_is_boolean(j);
        *(bool *)at = json_is_true(j);
        break;
    case CODEC_INT:
    case CODEC_INT_OR_NONE:
        good = decode_int(j, INT64_MIN, INT64_MAX, (int64_t *)at);
        break;
    case CODEC_UNSIGNED:
        good = decode_unsigned(j, (unsigned *)at);
        break;
    case CODEC_ENUM:
        good = decode_enum(f, j, (unsigned *)at);
        break;
    case CODEC_UUID:
    case CODEC_UUID_OR_NONE:
        good = decode_uuid(f, j, at);
        break;
    case CODEC_CHARS:
        good = decode_chars(j, at, f->size);
        break;
    case CODEC_TEXT:
        good = json_is_string(j);
        *(const char **)at = talloc_strdup(ctx, good ? json_string_value(j) : "");
        break;
    case CODEC_MAP:
        good = decode_map(j, ctx, (const struct map **)at);
        break;
    case CODEC_STRUCT:
        return codec_decode(f->type, j, ctx, at, e);
    case CODEC_POINTER:
        return decode_pointer(f, j, ctx, (const void **)at, e);
    case CODEC_ARRAY:
        return decode_array(f, j, ctx, base, e);
    }
    return good ? 0 : -1;
}

/* An older host does not say it. */
static bool may_be_unknown(const struct codec_field *f)
{
    return may_be_absent(f) || f->kind == CODEC_BOOL || f->kind == CODEC_INT_OR_NONE;
}

int codec_decode(const struct codec_type *t, const json_t *j, void *ctx, void *ret, struct err *e)
{
    if (!json_is_object(j))
        return err_internal(e, "not an object");
    memset(ret, 0, t->size);
    for (const struct codec_field *f = t->fields; f->name; f++) {
        const json_t *value = json_object_get(j, f->name);
        if (!value && may_be_unknown(f))
            continue;
        if (!value)
            return err_internal(e, "%s is missing", f->name);
        if (decode_field(f, value, ctx, ret, e) < 0)
            return err_internal(e, "%s is not right", f->name);
    }
    return 0;
}

/* ---- errors ---- */

json_t *codec_encode_error(const struct err *e)
{
    json_t *list = json_array();

    json_array_append_new(list, json_string(e->code));
    for (unsigned i = 0; i < e->n_params; i++)
        if (json_array_append_new(list, json_string(e->params[i])) < 0)
            json_array_append_new(list, json_string("?")); /* no UTF-8 */
    return list;
}

int codec_decode_error(const json_t *list, struct err *e)
{
    const char *code = json_string_value(json_array_get(list, 0));

    if (err_is_set(e))
        return -1;
    if (!code)
        return err_internal(e, "an error without a code");
    err_set(e, code, 0);
    for (size_t i = 1; i < json_array_size(list); i++) {
        const char *param = json_string_value(json_array_get(list, i));
        err_add_param(e, param ? param : "");
    }
    return -1;
}
