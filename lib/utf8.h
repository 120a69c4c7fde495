#ifndef LIB_UTF8_H
#define LIB_UTF8_H
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. Never yields, never
 * fails.
 */
#include <stdbool.h>
#include <stddef.h>

/* The length in bytes (1 to 4) of the character that begins at s, of which n bytes may be read; 0 when none
 * does. */
size_t utf8_next(const char *s, size_t n);

/* True when the n bytes at s are nothing but characters. NUL is one. */
bool utf8_valid(const char *s, size_t n);

#endif
