#ifndef TESTS_RPC_STORY_H
#define TESTS_RPC_STORY_H
/*
 * Decoded values as one line of text that a test can compare: 'text' 12 1.5 true nil [a, b] {k: v}; !'text'
 * is a string that was no UTF-8.
 */
#include "lib/buf.h"
#include "rpc/request.h"

static inline void story_add(struct buf *b, const struct wire *w)
{
    const char *separator = "";
    switch (w->kind) {
    case WIRE_NIL:
        buf_add_lit(b, "nil");
        break;
    case WIRE_NOT_UTF8:
    case WIRE_STRING:
        buf_printf(b, "%s'%s'", w->kind == WIRE_STRING ? "" : "!", w->s);
        break;
    case WIRE_INT:
        buf_printf(b, "%lld", (long long)w->i);
        break;
    case WIRE_DOUBLE:
        buf_printf(b, "%#.6g", w->f);
        break;
    case WIRE_BOOL:
        buf_add_str(b, w->i ? "true" : "false");
        break;
    case WIRE_ARRAY:
        buf_add_lit(b, "[");
        for (uint32_t i = 0; i < w->n; i++, separator = ", ") {
            buf_add_str(b, separator);
            story_add(b, &w->items[i]);
        }
        buf_add_lit(b, "]");
        break;
    case WIRE_STRUCT:
        buf_add_lit(b, "{");
        for (uint32_t i = 0; i < w->n; i++, separator = ", ") {
            buf_printf(b, "%s%s: ", separator, w->members[i].name);
            story_add(b, &w->members[i].value);
        }
        buf_add_lit(b, "}");
        break;
    }
}

/* "method(a, b)" in buf, NUL-terminated. */
static inline const char *story_of_request(struct buf *b, const struct rpc_request *r)
{
    buf_reset(b);
    buf_add_str(b, r->method);
    buf_add_lit(b, "(");
    for (uint32_t i = 0; i < r->n_params; i++) {
        buf_add_str(b, i > 0 ? ", " : "");
        story_add(b, &r->params[i]);
    }
    buf_add_lit(b, ")");
    return buf_cstr(b);
}

#endif
