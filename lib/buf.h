#ifndef LIB_BUF_H
#define LIB_BUF_H
/*
 * A growing byte buffer. Owned by whoever declared it (CLEANUP_BUF struct buf b = {0};). Not NUL-terminated
 * unless buf_cstr is called. Appending aborts when memory runs out: callers cap what comes from the network.
 * Never yields.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "lib/cleanup.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

/* Make room for n more bytes and return where they go; the caller adds to len what it wrote. */
char *buf_reserve(struct buf *b, size_t n);

static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (b->cap - b->len < n)
        buf_reserve(b, n);
    if (n > 0)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
}

static inline void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

static inline void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

#define buf_add_lit(b, literal) buf_add((b), "" literal, sizeof(literal) - 1)

void buf_add_int(struct buf *b, int64_t n);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drop the first n bytes, moving the rest down. */
void buf_consume(struct buf *b, size_t n);

/* The content with a NUL after it; valid until the next change. */
const char *buf_cstr(struct buf *b);

/* Forget the content, keep the memory. */
void buf_reset(struct buf *b);
void buf_free(struct buf *b);

#define CLEANUP_BUF CLEANUP(buf_free)

#endif
