#ifndef TESTS_BENCH_GUEST_H
#define TESTS_BENCH_GUEST_H
/* The QEMU of a guest that runs, and the same started by hand. */
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

/* Execute the same command line again in a fresh folder of this name, with the same kinds of descriptors, and
 * wait until its monitor answers the first command; milliseconds. Ends the process afterwards. */
double guest_start_by_hand_ms(const struct guest_process *g, const char *folder);

#endif
