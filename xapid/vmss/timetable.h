#ifndef XAPID_VMSS_TIMETABLE_H
#define XAPID_VMSS_TIMETABLE_H
/*
 * When a snapshot schedule's turn comes: keys "min" (0, 15, 30, 45), "hour" (0 to 23) and "days"
 * (comma-separated weekday names) of its timetable, as far as its frequency has them, in the host's local
 * time. Never yields.
 */
#include <stdint.h>
#include "lib/err.h"
#include "model/rows.gen.h"

/* The timetable with what its frequency needs, on ctx: the keys it has kept, others dropped, missing ones
 * filled in (0, 0, Monday). Errors: INVALID_VALUE [schedule, key=value] for keys and values that no frequency
 * has. */
int timetable_complete(void *ctx, enum vmss_frequency frequency, const struct map *given,
                       const struct map **ret, struct err *e);

/* The latest turn that is not after `now` (seconds since 1970 UTC); 0 when there was none within a week. The
 * timetable is complete. */
int64_t timetable_last_turn(enum vmss_frequency frequency, const struct map *timetable, int64_t now);

#endif
