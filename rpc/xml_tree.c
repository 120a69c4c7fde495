#include "rpc/xml_tree.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "rpc/number.h"
#include "rpc/request.h"

static const struct {
    const char *name;
    enum xml_element element;
} elements[] = {
    {"value", XML_VALUE},
    {"member", XML_MEMBER},
    {"name", XML_NAME},
    {"string", XML_STRING},
    {"param", XML_PARAM},
    {"struct", XML_STRUCT},
    {"array", XML_ARRAY},
    {"data", XML_DATA},
    {"int", XML_INT},
    {"i4", XML_INT},
    {"i8", XML_INT},
    {"boolean", XML_BOOLEAN},
    {"double", XML_DOUBLE},
    {"dateTime.iso8601", XML_DATETIME},
    {"nil", XML_NIL},
    {"params", XML_PARAMS},
    {"methodName", XML_METHOD_NAME},
    {"methodCall", XML_METHOD_CALL},
    {"methodResponse", XML_METHOD_RESPONSE},
    {"fault", XML_FAULT},
};

static enum xml_element element_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
        if (strcmp(elements[i].name, name) == 0)
            return elements[i].element;
    return XML_NONE;
}

void xml_tree_init(struct xml_tree *t, void *ctx, uint32_t max_values)
{
    memset(t, 0, offsetof(struct xml_tree, frames));
    memset(&t->text, 0, sizeof(t->text));
    t->stack = NULL;
    t->n_stack = t->cap_stack = 0;
    t->arena.ctx = ctx;
    t->max_values = max_values;
    t->frames[0] = (struct xml_frame){.element = XML_NONE};
}

void xml_tree_fini(struct xml_tree *t)
{
    buf_free(&t->text);
    free(t->stack);
}

void xml_tree_fail(struct xml_tree *t, const char *fmt, ...)
{
    va_list ap;
    if (t->reason != NULL)
        return;
    va_start(ap, fmt);
    t->reason = talloc_vasprintf(t->arena.ctx, fmt, ap);
    va_end(ap);
    if (t->reason == NULL)
        mem_abort();
}

static struct xml_frame *top(struct xml_tree *t)
{
    return &t->frames[t->depth];
}

static bool is_type(enum xml_element e)
{
    return e == XML_ARRAY || e == XML_STRUCT || (e >= XML_STRING && e <= XML_NIL);
}

static bool is_open(const struct xml_tree *t, enum xml_element outer)
{
    return t->frames[t->depth].element == outer;
}

/* May element stand where the document is at? */
static bool fits(const struct xml_tree *t, enum xml_element element)
{
    const struct xml_frame *outer = &t->frames[t->depth];
    switch (element) {
    case XML_METHOD_CALL:
    case XML_METHOD_RESPONSE:
        return t->depth == 0 && t->root == XML_NONE;
    case XML_METHOD_NAME:
        return outer->element == XML_METHOD_CALL && t->method == NULL;
    case XML_PARAMS:
        return (is_open(t, XML_METHOD_CALL) || is_open(t, XML_METHOD_RESPONSE)) && t->params == NULL;
    case XML_FAULT:
        return outer->element == XML_METHOD_RESPONSE && t->params == NULL;
    case XML_PARAM:
        return outer->element == XML_PARAMS;
    case XML_VALUE:
        return outer->element == XML_DATA ||
               (outer->element == XML_MEMBER && outer->name != NULL && !outer->filled) ||
               ((outer->element == XML_PARAM || outer->element == XML_FAULT) && !outer->filled);
    case XML_DATA:
        return outer->element == XML_ARRAY && !outer->filled;
    case XML_MEMBER:
        return outer->element == XML_STRUCT;
    case XML_NAME:
        return outer->element == XML_MEMBER && outer->name == NULL;
    default:
        return is_type(element) && outer->element == XML_VALUE && !outer->filled;
    }
}

void xml_tree_open(struct xml_tree *t, const char *name)
{
    enum xml_element element = element_by_name(name);
    if (element == XML_NONE || !fits(t, element)) {
        xml_tree_fail(t, "<%.40s> is out of place", name);
        return;
    }
    if (element == XML_VALUE && (++t->value_depth > RPC_MAX_DEPTH || ++t->count > t->max_values)) {
        xml_tree_fail(t, "values are nested too deep, or too many");
        return;
    }
    if (t->depth + 1 >= XML_MAX_FRAMES) {
        xml_tree_fail(t, "elements are nested too deep");
        return;
    }
    if (t->depth == 0)
        t->root = element;
    if (is_type(element) || element == XML_DATA)
        top(t)->filled = true;
    t->depth++;
    *top(t) = (struct xml_frame){.element = element, .first = t->n_stack};
    t->text.len = 0;
}

void xml_tree_text(struct xml_tree *t, const char *s, size_t n)
{
    enum xml_element element = top(t)->element;
    bool wanted = element == XML_NAME || element == XML_METHOD_NAME ||
                  (element >= XML_STRING && element <= XML_DATETIME);
    if (wanted || (element == XML_VALUE && !top(t)->filled))
        buf_add(&t->text, s, n);
}

/* A finished value waits for its container. */
static void push(struct xml_tree *t, const struct wire *value)
{
    if (t->n_stack == t->cap_stack) {
        t->cap_stack = t->cap_stack ? 2 * t->cap_stack : 32;
        t->stack = mem_resize(t->stack, t->cap_stack * sizeof(t->stack[0]));
    }
    t->stack[t->n_stack].name = NULL;
    t->stack[t->n_stack++].value = *value;
}

/* Does the text hold the mark that stands for bytes that were no UTF-8? */
static bool is_bad(const struct xml_tree *t, const char *s)
{
    return t->bad_text && strstr(s, XML_BAD_MARK) != NULL;
}

static void close_text(struct xml_tree *t)
{
    struct wire w = {.kind = WIRE_STRING, .s = arena_strndup(&t->arena, t->text.data, t->text.len)};
    if (is_bad(t, w.s))
        w.kind = WIRE_NOT_UTF8;
    push(t, &w);
}

static void close_scalar(struct xml_tree *t, enum xml_element element)
{
    struct wire w = {.kind = WIRE_NIL};
    bool ok = true;
    if (element == XML_INT) {
        w.kind = WIRE_INT;
        ok = number_parse_int(t->text.data, t->text.len, &w.i);
    } else if (element == XML_DOUBLE) {
        w.kind = WIRE_DOUBLE;
        ok = number_parse_double(buf_cstr(&t->text), &w.f);
    } else if (element == XML_BOOLEAN) {
        bool b = false;
        w.kind = WIRE_BOOL;
        ok = number_parse_bool(buf_cstr(&t->text), &b);
        w.i = b;
    }
    if (!ok)
        xml_tree_fail(t, "'%.40s' is not the number that its element says", buf_cstr(&t->text));
    push(t, &w);
}

/* The values above first become one array. */
static void close_array(struct xml_tree *t, uint32_t first)
{
    struct wire w = {.kind = WIRE_ARRAY, .n = t->n_stack - first};
    w.items = arena_alloc(&t->arena, w.n * sizeof(w.items[0]));
    for (uint32_t i = 0; i < w.n; i++)
        w.items[i] = t->stack[first + i].value;
    t->n_stack = first;
    push(t, &w);
}

static void close_struct(struct xml_tree *t, uint32_t first)
{
    struct wire w = {.kind = WIRE_STRUCT, .n = t->n_stack - first};
    size_t size = w.n * sizeof(w.members[0]);
    w.members = arena_alloc(&t->arena, size);
    if (size > 0)
        memcpy(w.members, t->stack + first, size);
    t->n_stack = first;
    push(t, &w);
}

/* The value just closed belongs to the frame around it. */
static void close_value(struct xml_tree *t, const struct xml_frame *f)
{
    if (!f->filled)
        close_text(t);
    t->value_depth--;
    struct xml_frame *outer = top(t) - 1;
    outer->filled = outer->element != XML_DATA;
}

static void close_member(struct xml_tree *t, const struct xml_frame *f)
{
    if (!f->filled) {
        xml_tree_fail(t, "a member without name or value");
        return;
    }
    struct wire_member *m = &t->stack[t->n_stack - 1];
    m->name = f->name;
    if (is_bad(t, f->name)) {
        m->value.s = f->name;
        m->value.kind = WIRE_NOT_UTF8;
    }
}

static void close_params(struct xml_tree *t, const struct xml_frame *f)
{
    t->n_params = t->n_stack - f->first;
    t->params = arena_alloc(&t->arena, t->n_params * sizeof(t->params[0]));
    for (uint32_t i = 0; i < t->n_params; i++)
        t->params[i] = t->stack[f->first + i].value;
    t->n_stack = f->first;
}

static const char *trimmed(struct xml_tree *t)
{
    const char *s = t->text.data;
    size_t n = t->text.len;
    while (n > 0 && strchr(" \t\r\n", s[0]) != NULL)
        s++, n--;
    while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
        n--;
    return arena_strndup(&t->arena, s, n);
}

void xml_tree_close(struct xml_tree *t)
{
    struct xml_frame *f = top(t);
    switch (f->element) {
    case XML_VALUE:
        close_value(t, f);
        break;
    case XML_STRING:
    case XML_DATETIME:
        close_text(t);
        break;
    case XML_INT:
    case XML_DOUBLE:
    case XML_BOOLEAN:
    case XML_NIL:
        close_scalar(t, f->element);
        break;
    case XML_ARRAY:
        close_array(t, f->first);
        break;
    case XML_STRUCT:
        close_struct(t, f->first);
        break;
    case XML_MEMBER:
        close_member(t, f);
        break;
    case XML_NAME:
        (f - 1)->name = arena_strndup(&t->arena, t->text.data, t->text.len);
        break;
    case XML_METHOD_NAME:
        t->method = trimmed(t);
        break;
    case XML_PARAM:
        if (!f->filled)
            xml_tree_fail(t, "a parameter without a value");
        break;
    case XML_FAULT:
        t->fault = true;
        close_params(t, f);
        break;
    case XML_PARAMS:
        close_params(t, f);
        break;
    default:
        break;
    }
    t->text.len = 0;
    t->depth--;
}
