#ifndef TESTS_RPC_BENCH_LOAD_H
#define TESTS_RPC_BENCH_LOAD_H
/*
 * A load generator: n kept-alive TLS connections in one process, each with one request outstanding. Blocks.
 */
#include <stdint.h>

/* Replies a second over ms milliseconds, after a warm-up. Aborts on anything but a reply of status 200. */
double load_run(const char *address, uint16_t port, unsigned n, int ms);

#endif
