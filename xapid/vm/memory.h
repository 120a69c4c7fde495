#ifndef XAPID_VM_MEMORY_H
#define XAPID_VM_MEMORY_H
#include <stdint.h>
#include "xapid/call.h"

/* Bytes: 0 < static_min <= dynamic_min <= dynamic_max <= static_max. */
struct memory_limits {
    int64_t static_min, dynamic_min, dynamic_max, static_max;
};

/* Errors: MEMORY_CONSTRAINT_VIOLATION naming the order. */
int memory_check_limits(const struct memory_limits *m, struct err *e);

/* Change the dynamic limits; the guest of a VM that runs is given dynamic_max, or what of it
 * its host has. The operation is declared. */
int co_memory_set_dynamic(struct call *c, struct ref vm, int64_t min, int64_t max, struct err *e);

#endif
