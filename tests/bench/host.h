#ifndef TESTS_BENCH_HOST_H
#define TESTS_BENCH_HOST_H
/* The daemon as a process: ended in order, started again with the same command line. */
#include "tests/bench/bench.h"

/* End it; its database belongs to nobody until the next start. */
void host_stop(const struct target *t);

/* Milliseconds from exec to the first answer. */
double host_start_ms(const struct target *t);

/* Its resident memory. */
double host_memory_kb(const struct target *t);

#endif
