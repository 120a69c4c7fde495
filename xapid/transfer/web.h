#ifndef XAPID_TRANSFER_WEB_H
#define XAPID_TRANSFER_WEB_H
/*
 * Files on web servers outside the pool, over HTTP and HTTPS. Servers are believed as the pool says
 * (xapid/certificate/verify.h); a few redirections are followed, but not from HTTPS to HTTP. Asked for are
 * whole files, not compressed on their way and not in chunks (HTTP/1.0).
 */
#include "xapid/server.h"

struct web;

/* Is it a URL of such a server? */
bool web_is_url(void *mem, const char *text);

/* Ask for the file. Errors: INVALID_VALUE for what is no URL of such a server, INTERNAL_ERROR with what went
 * wrong. */
int co_web_get(struct xapid *x, void *mem, const char *url, struct web **ret, struct err *e);

/* How many bytes it has; -1: as many as come until the connection ends. */
int64_t web_length(const struct web *w);

/* At least one byte; 0 at the end, or -errno (-ETIMEDOUT: the server was silent for too long). */
ssize_t co_web_read(struct web *w, void *bytes, size_t n);

/* Put size bytes of a file there, which the server has to take (status 2xx); proxy is the URL of an HTTP
 * proxy to go through, or NULL. progress may be NULL. Errors as above, INVALID_VALUE for the proxy too. */
int co_web_put(struct xapid *x, void *mem, const char *url, const char *proxy, int fd, int64_t size,
               void (*progress)(double done, void *arg), void *arg, struct err *e);

/* NULL is allowed. */
void web_close(struct web *w);

#endif
