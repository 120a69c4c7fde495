#ifndef XE_ARGS_H
#define XE_ARGS_H
/*
 * The grammar of a command's arguments: a command name, then key=value words ("--word" is word=true, a bare
 * word has an empty value; the first of two equal keys counts). Values point into the words given. Never
 * yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

struct arg {
    const char *key;
    const char *value;
};

struct args {
    const char *command;
    unsigned n;
    struct arg *arg;
    bool minimal; /* minimal=true was among them */
};

/* Read words into *ret, on ctx. Errors: FAIL_SYNTAX, FAIL_TEXT (a minimal= that is neither true nor false).
 */
int args_parse(void *ctx, const char *const *words, unsigned n, struct args *ret, struct err *e);

/* The value of key, or NULL. */
const char *args_get(const struct args *a, const char *key);

/* The value of key, or otherwise. */
const char *args_get_or(const struct args *a, const char *key, const char *otherwise);

/* A truth value, or otherwise when absent. Errors: FAIL_TEXT. */
int args_get_bool(const struct args *a, const char *key, bool otherwise, bool *ret, struct err *e);

/* A whole number, or otherwise when absent. Errors: FAIL_TEXT. */
int args_get_int(const struct args *a, const char *key, int64_t otherwise, int64_t *ret, struct err *e);

/* A size with a unit, or otherwise when absent. Errors: FAIL_TEXT. */
int args_get_size(const struct args *a, const char *key, int64_t otherwise, int64_t *ret, struct err *e);

/* The members of a map argument: every "name:key=value" (any character may stand for the colon), on ctx. */
struct arg *args_get_map(void *ctx, const struct args *a, const char *name, unsigned *ret_n);

/* True when key is part of the map argument name. */
bool args_in_map(const char *key, const char *name);

/* True for the keys that are never filters, selectors or parameters to set. */
bool args_is_common(const char *key);

/* true, t, yes, y, 1 and false, f, no, n, 0 in any case. */
bool text_to_bool(const char *text, bool *ret);
bool text_to_int(const char *text, int64_t *ret);
/* "10", "10 MiB", "2g": bytes. False for a negative one, one past 2^63 and everything else. */
bool text_to_size(const char *text, int64_t *ret);

/* The pieces of "a,b,c" without the empty ones, on ctx. */
const char **text_split(void *ctx, const char *text, char separator, unsigned *ret_n);

#endif
