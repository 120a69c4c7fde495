#include "rpc/request.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <jansson.h>
#include "lib/buf.h"
#include "lib/json_bounds.h"
#include "rpc/arena.h"
#include "rpc/encode.h"

/* The request's own object and its params stand around the values. */
enum { MAX_DEPTH = RPC_MAX_DEPTH + 2 };

static void convert(struct arena *a, json_t *j, struct wire *w);

static void convert_array(struct arena *a, json_t *j, struct wire *w)
{
    w->kind = WIRE_ARRAY;
    w->n = (uint32_t)json_array_size(j);
    w->items = arena_alloc(a, w->n * sizeof(w->items[0]));
    for (uint32_t i = 0; i < w->n; i++)
        convert(a, json_array_get(j, i), &w->items[i]);
}

static void convert_object(struct arena *a, json_t *j, struct wire *w)
{
    const char *name;
    json_t *value;
    uint32_t i = 0;
    w->kind = WIRE_STRUCT;
    w->n = (uint32_t)json_object_size(j);
    w->members = arena_alloc(a, w->n * sizeof(w->members[0]));
    json_object_foreach (j, name, value) {
        w->members[i].name = arena_strndup(a, name, strlen(name));
        convert(a, value, &w->members[i++].value);
    }
}

static void convert(struct arena *a, json_t *j, struct wire *w)
{
    memset(w, 0, sizeof(*w));
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        convert_object(a, j, w);
        break;
    case JSON_ARRAY:
        convert_array(a, j, w);
        break;
    case JSON_STRING:
        w->kind = WIRE_STRING;
        w->s = arena_strndup(a, json_string_value(j), json_string_length(j));
        break;
    case JSON_INTEGER:
        w->kind = WIRE_INT;
        w->i = json_integer_value(j);
        break;
    case JSON_REAL:
        w->kind = WIRE_DOUBLE;
        w->f = json_real_value(j);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        w->kind = WIRE_BOOL;
        w->i = json_is_true(j);
        break;
    case JSON_NULL:
        w->kind = WIRE_NIL;
        break;
    }
}

static const char *read_version(const json_t *root, struct rpc_request *ret)
{
    const json_t *version = json_object_get(root, "jsonrpc");
    ret->protocol = version == NULL ? RPC_JSON_1 : RPC_JSON_2;
    if (version != NULL && (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0))
        return "jsonrpc is not 2.0";
    return NULL;
}

static const char *read_id(struct arena *a, const json_t *root, struct rpc_request *ret)
{
    CLEANUP_BUF struct buf text = {0};
    struct enc enc = {.out = &text, .format = ENC_JSON};
    const json_t *id = json_object_get(root, "id");
    if (json_is_integer(id))
        enc_int(&enc, json_integer_value(id));
    else if (json_is_string(id))
        enc_string(&enc, json_string_value(id));
    else
        return "id is neither a number nor a string";
    ret->json_id = arena_strndup(a, text.data, text.len);
    return NULL;
}

/* 1.0 needs an array; 2.0 may have none, or an object that is the one parameter. */
static const char *read_params(struct arena *a, const json_t *root, struct rpc_request *ret)
{
    json_t *params = json_object_get(root, "params");
    struct wire *w = arena_alloc(a, sizeof(*w));
    if (json_is_array(params)) {
        convert(a, params, w);
        ret->n_params = w->n;
        ret->params = w->items;
    } else if (ret->protocol == RPC_JSON_2 && json_is_object(params)) {
        convert(a, params, w);
        ret->n_params = 1;
        ret->params = w;
    } else if (ret->protocol == RPC_JSON_1 || params != NULL) {
        return "params is not an array";
    }
    return NULL;
}

static const char *read_request(struct arena *a, const json_t *root, struct rpc_request *ret)
{
    const json_t *method = json_object_get(root, "method");
    if (!json_is_object(root))
        return "not an object";
    if (!json_is_string(method))
        return "method is not a string";
    ret->method = arena_strndup(a, json_string_value(method), json_string_length(method));
    const char *reason = read_version(root, ret);
    if (reason == NULL)
        reason = read_id(a, root, ret);
    if (reason == NULL)
        reason = read_params(a, root, ret);
    return reason;
}

int rpc_request_parse_json(void *ctx, const char *body, size_t len, struct rpc_request *ret,
                           const char **ret_reason)
{
    struct arena arena = {.ctx = ctx};
    struct rpc_request request = {0};
    json_error_t error;
    const char *reason = "values are nested too deep, or too many";
    if (json_is_within(body, len, MAX_DEPTH, RPC_MAX_REQUEST_VALUES)) {
        json_t *root = json_loadb(body, len, 0, &error);
        reason = root != NULL ? read_request(&arena, root, &request) : error.text;
        json_decref(root);
    }
    if (reason != NULL) {
        *ret_reason = talloc_strdup(ctx, reason);
        return -EBADMSG;
    }
    *ret = request;
    return 0;
}
