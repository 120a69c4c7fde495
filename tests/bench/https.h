#ifndef TESTS_BENCH_HTTPS_H
#define TESTS_BENCH_HTTPS_H
/*
 * A small HTTPS client that costs little: one kept-alive connection, blocking, requests made beforehand. Does
 * not verify certificates.
 */
#include <openssl/ssl.h>
#include <stdint.h>
#include "lib/buf.h"

struct https {
    int fd;
    SSL *ssl;
};

/* Connect and shake hands. */
void https_open(struct https *h, const char *address, uint16_t port);
void https_close(struct https *h);

/* Append a whole POST request. */
void https_request(struct buf *out, const char *path, const char *type, const char *body, size_t length);

void https_send(struct https *h, const struct buf *request);

/* Read one reply, which must be a 200 with a content-length. Its body is appended to keep unless that is
 * NULL. Returns the length of the body. */
size_t https_receive(struct https *h, struct buf *keep);

#endif
