#ifndef TESTS_BENCH_MANY_VMS_H
#define TESTS_BENCH_MANY_VMS_H
/* VMs put into a daemon's database while it is not there. Each has a disk, a NIC and the rows that go with
 * them. */
#include "tests/bench/bench.h"

/* Have the daemon come back with the VMs from number `from` on up to, not including, `to` in addition;
 * milliseconds of its start. */
double many_vms_restart(const struct target *t, unsigned from, unsigned to);

#endif
