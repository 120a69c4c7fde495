#include "lib/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include "lib/mem.h"

#define BUF_FIRST_CAP 256

char *buf_reserve(struct buf *b, size_t n)
{
    size_t need, cap = b->cap > 0 ? b->cap : BUF_FIRST_CAP;

    if (__builtin_add_overflow(b->len, n, &need))
        mem_abort();
    if (need > b->cap) {
        while (cap < need)
            cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
        b->data = mem_resize(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_add_int(struct buf *b, int64_t n)
{
    char digits[24];
    char *p = digits + sizeof digits;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (n < 0)
        *--p = '-';
    buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(b->data ? b->data + b->len : NULL, b->cap - b->len, fmt, ap);
    if (n < 0)
        mem_abort();
    if ((size_t)n >= b->cap - b->len)
        vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return b->data;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}
