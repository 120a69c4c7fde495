#ifndef TESTS_BENCH_GUEST_H
#define TESTS_BENCH_GUEST_H
/* The QEMU of a guest that runs. */
#include <stdbool.h>
#include <sys/types.h>
#include "lib/buf.h"
#include "tests/bench/bench.h"

/* What a process was started with. */
struct guest_process {
    pid_t pid;
    struct buf arguments; /* as in /proc/<pid>/cmdline: each ends with a NUL */
};

/* Find the QEMU with this uuid. */
void guest_find(struct guest_process *g, const char *uuid);
void guest_free(struct guest_process *g);

#endif
