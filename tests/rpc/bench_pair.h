#ifndef TESTS_RPC_BENCH_PAIR_H
#define TESTS_RPC_BENCH_PAIR_H
/*
 * libmicrohttpd behind a socket pair, for the comparison that rpc/README.md tells of.
 */
#include <microhttpd.h>
#include <openssl/ssl.h>

void pair_start(MHD_AccessHandlerCallback handler);

/* Serve an accepted, non-blocking connection. */
void pair_take(int fd, SSL_CTX *context);

#endif
