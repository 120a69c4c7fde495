#ifndef XAPID_TRANSFER_WEB_H
#define XAPID_TRANSFER_WEB_H
/*
 * Files on web servers outside the pool, over HTTP and HTTPS. Servers are believed as the pool says
 * (xapid/certificate/verify.h); a few redirections are followed, but not from HTTPS to HTTP. Asked for are
 * whole files, not compressed on their way and not in chunks (HTTP/1.0).
 */
#include "xapid/server.h"

struct web;

/* Ask for the file. Errors: INVALID_VALUE for what is no URL of such a server, IMPORT_ERROR with what went
 * wrong.
 */
int co_web_get(struct xapid *x, void *mem, const char *url, struct web **ret, struct err *e);

/* How many bytes it has; -1: as many as come until the connection ends. */
int64_t web_length(const struct web *w);

/* At least one byte; 0 at the end, or -errno (-ETIMEDOUT: the server was silent for too long). */
ssize_t co_web_read(struct web *w, void *bytes, size_t n);

/* NULL is allowed. */
void web_close(struct web *w);

#endif
