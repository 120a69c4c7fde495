#ifndef RPC_NUMBER_H
#define RPC_NUMBER_H
/*
 * Scalars as text on the wire. White space around them is allowed, anything else is not. Never yields.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal with an optional sign; false when it is none or does not fit. */
bool number_parse_int(const char *s, size_t n, int64_t *ret);

/* Decimal, or inf and nan in any case; false when it is none or does not fit. */
bool number_parse_double(const char *s, double *ret);

/* 1, 0, true, false. */
bool number_parse_bool(const char *s, bool *ret);

#endif
