#ifndef RPC_WIRE_H
#define RPC_WIRE_H
/*
 * Untyped values as they came off the wire (XML-RPC or JSON-RPC), on a talloc context, and their conversion
 * to the model's types. Depth, counts and sizes are bounded by the decoders. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "model/model.h"

enum wire_kind {
    WIRE_NIL,
    WIRE_STRING,
    WIRE_INT,
    WIRE_DOUBLE,
    WIRE_BOOL,
    WIRE_ARRAY,
    WIRE_STRUCT,
    WIRE_NOT_UTF8, /* a string that was no UTF-8; s is mended for messages. Every conversion refuses it. */
};

struct wire_member;
struct wire {
    enum wire_kind kind;
    const char *s; /* WIRE_STRING: UTF-8 without NUL inside */
    int64_t i;     /* WIRE_INT, WIRE_BOOL */
    double f;      /* WIRE_DOUBLE */
    uint32_t n;    /* WIRE_ARRAY, WIRE_STRUCT */
    struct wire *items;
    struct wire_member *members;
};
struct wire_member {
    const char *name;
    struct wire value;
};

/* NULL when absent. */
const struct wire *wire_member(const struct wire *w, const char *name);
const char *wire_member_string(const struct wire *w, const char *name);

/* Values to send: parameters of a call. s is not copied. */
struct wire wire_string(const char *s);
struct wire wire_int(int64_t i);
struct wire wire_bool(bool b);
struct wire wire_double(double f);

/* Convert to type t as a client may send it (ints as strings, "" as the null reference …, protocol.md section
 * 2). Text is not copied: w must live as long as the value. Records are left to the caller, who has the wire:
 * *ret is zero. Errors: FIELD_TYPE_ERROR [what], INVALID_VALUE [what, text], HANDLE_INVALID [class, text]. */
int wire_to_value(void *ctx, const struct model_type *t, const struct wire *w, const char *what,
                  union value *ret, struct err *e);

#endif
