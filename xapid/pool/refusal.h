#ifndef XAPID_POOL_REFUSAL_H
#define XAPID_POOL_REFUSAL_H
/* An error on its way from one host to another, as a JSON list: code, parameter … Never yields. */
#include "lib/buf.h"
#include "lib/err.h"

void refusal_write(const struct err *e, struct buf *out);

/* Fill e; INTERNAL_ERROR for what is no such list. Always returns -1. */
int refusal_read(const char *bytes, size_t n, struct err *e);

#endif
