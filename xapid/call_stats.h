#ifndef XAPID_CALL_STATS_H
#define XAPID_CALL_STATS_H
/*
 * How many calls there were, of which classes, how many failed and how long they took. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "model/model.h"
#include "model/value.h"

/* Calls that only read and never wait, those that may, and those that run as tasks. */
enum call_way { CALL_AT_ONCE, CALL_WAITING, CALL_TASK, CALL_WAYS };

void call_stats_add(const struct model_message *m, enum call_way way, int64_t ns, bool failed);

/* Append them in Prometheus' text format. */
void call_stats_write(struct buf *page);

/* The same in words, as a map on ctx: "calls at_once" "12 in 0.034 s, 0.0028 s on average, 99% within 0.005
 * s", "class VM" "7 calls, 1 failed". */
const struct map *call_stats_map(void *ctx);

#endif
