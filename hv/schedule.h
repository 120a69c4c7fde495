#ifndef HV_SCHEDULE_H
#define HV_SCHEDULE_H
/*
 * A guest's share of the host's processors, as VM.VCPUs_params says it. Never yields.
 *
 *   weight   1 to 65535; 256 when not given: against other guests, when processors are short
 *   cap      percent of one processor, 0 (none) when not given
 *   mask     numbers and ranges of the host's processors, "0,2-5"; all when not given
 *
 * Other keys mean nothing here and are left alone.
 */
#include <sched.h>
#include "lib/err.h"
#include "model/value.h"

#define HV_WEIGHT_DEFAULT 256

struct hv_schedule {
    unsigned weight;
    unsigned cap; /* percent of one processor; 0: none */
    bool masked;
    cpu_set_t mask; /* when masked */
};

/* Errors: INVALID_VALUE naming the key, as "VCPUs_params:weight", and its value. */
int hv_schedule_read(const struct map *params, struct hv_schedule *ret, struct err *e);

#endif
