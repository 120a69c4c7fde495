#ifndef LIB_ERR_H
#define LIB_ERR_H
/*
 * The error of an operation: a XenAPI error code and its parameters, all UTF-8 text.
 *
 * Operations take `struct err *e` last and return 0, or -1 with *e filled. A struct err is owned by whoever
 * declared it (`CLEANUP_ERR struct err e = {0};`); filling one that is already filled keeps the first error,
 * since that is the cause. Code that knows the API uses the constructors generated in model/errors.gen.h;
 * leaf code returns -errno and never sees this type. Never yields; aborts when memory runs out.
 */
#include <stdbool.h>
#include "lib/cleanup.h"

struct err {
    char *code;    /* NULL while there is no error */
    char **params; /* n_params strings */
    unsigned n_params;
};

/* Fill *e with a code and n parameters (const char *; NULL counts as ""). Always returns -1. */
int err_set(struct err *e, const char *code, unsigned n, ...);

/* Fill *e with INTERNAL_ERROR and a formatted message. Always returns -1. */
int err_internal(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Fill *e from a negative errno of a leaf call: INTERNAL_ERROR "what: strerror". Returns -1. */
int err_errno(struct err *e, int negative_errno, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Append a parameter to a filled error. */
void err_add_param(struct err *e, const char *param);

static inline bool err_is_set(const struct err *e)
{
    return e->code != NULL;
}

/* True when e is filled with exactly this code. */
bool err_is(const struct err *e, const char *code);

/* Move *from into *to (emptying *from); when *to is filled already *from is dropped. */
void err_move(struct err *to, struct err *from);

/* Copy from into *to, which must be empty. */
void err_copy(struct err *to, const struct err *from);

/* Release and empty. Safe on an empty one. */
void err_clear(struct err *e);

/* "CODE: [ p1; p2 ]" as talloc'd text on ctx, for logs and HTTP error pages. */
char *err_text(void *ctx, const struct err *e);

#define CLEANUP_ERR CLEANUP(err_clear)

#endif
