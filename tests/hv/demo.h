#ifndef TESTS_HV_DEMO_H
#define TESTS_HV_DEMO_H
/*
 * The demo guest on a real QEMU, for tests and benchmarks.
 */
#include "hv/hv.h"
#include "tests/hv/fixture.h"

struct demo {
    char kernel[256], ramdisk[256], cmdline[512], disk[256];
    struct hv_disk disks[1];
    struct hv_nic nics[1];
};

/* Build it (scripts/demo-guest, kept in the build tree); false when it cannot be built here. */
bool demo_build(void);

/* A specification of it with a fresh qcow2 disk in dir and user networking. */
void demo_spec(struct demo *d, const char *dir, struct hv_vm_spec *spec);

/* The number of its latest whole tick line; 0 before the first. */
unsigned long demo_ticks(const struct fixture *f, const char *uuid);

/* Wait for more than this many ticks, or for a text on its console. Fail the test after two minutes. */
void co_demo_wait_tick(const struct fixture *f, const char *uuid, unsigned long more_than);
void co_demo_wait_text(const struct fixture *f, const char *uuid, const char *text);

#endif
