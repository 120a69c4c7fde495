#ifndef XAPID_POOL_DB_XML_TEXT_H
#define XAPID_POOL_DB_XML_TEXT_H
/*
 * A database's text as an XML attribute's value. What XML cannot carry or would change (control characters,
 * U+FFFE, U+FFFF) and the backslash stand as \xHH, byte by byte. Never yields.
 */
#include "lib/buf.h"

void xml_text_add(struct buf *out, const char *text, size_t n);

/* The reverse, of a value that the XML parser has read: on ctx, or NULL when it is no such text. */
char *xml_text_read(void *ctx, const char *value, size_t n);

#endif
