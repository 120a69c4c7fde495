#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H
/* Many connections in one thread, each sending its next request as soon as its last one is answered. */
#include "lib/buf.h"
#include "tests/bench/https.h"

struct load_client {
    struct https https;
    /* The request to send next, or NULL to send no more; called with the number of those sent before. */
    const struct buf *(*next)(struct load_client *c, unsigned long sent);
    void *arg;
    unsigned long sent;
};

/* A `next` that always sends the struct buf at arg. */
const struct buf *load_same(struct load_client *c, unsigned long sent);

/* Keep the n open connections busy for so long (0: until they send no more); replies a second. */
double load_run(struct load_client *clients, unsigned n, double seconds);

#endif
