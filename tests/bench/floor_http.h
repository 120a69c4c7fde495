#ifndef TESTS_BENCH_FLOOR_HTTP_H
#define TESTS_BENCH_FLOOR_HTTP_H
/*
 * The floor of a call: a libmicrohttpd HTTPS server of one thread that reads a request and answers bytes it
 * was given beforehand. A process of its own.
 */
#include <stdint.h>
#include <sys/types.h>
#include "lib/buf.h"

struct floor_http {
    pid_t pid;
    uint16_t port;
};

/* body stays the caller's; pem holds key and certificate. */
void floor_http_start(struct floor_http *f, const char *address, const char *pem, const struct buf *body);
void floor_http_stop(struct floor_http *f);

#endif
