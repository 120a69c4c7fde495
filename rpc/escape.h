#ifndef RPC_ESCAPE_H
#define RPC_ESCAPE_H
/*
 * Text as it stands inside XML and JSON: what is special is escaped, control characters other than tab, LF
 * and CR are dropped, bytes that are no UTF-8 become U+FFFD, in XML also the two characters that it lacks,
 * U+FFFE and U+FFFF (JSON has them). Clean runs are copied eight bytes at a time.
 * Never yields.
 */
#include "lib/buf.h"

/* As buf_reserve, without a call where there is room. */
static inline char *buf_room(struct buf *b, size_t n)
{
    return b->cap - b->len < n ? buf_reserve(b, n) : b->data + b->len;
}

void escape_xml(struct buf *out, const char *s, size_t n);

/* Without the quotes around it. */
void escape_json(struct buf *out, const char *s, size_t n);

#endif
