#ifndef XAPID_CALL_STATS_H
#define XAPID_CALL_STATS_H
/*
 * How many calls there were, of which classes, how many failed and how long they took. Never yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "model/model.h"

/* Calls that only read and never wait, those that may, and those that run as tasks. */
enum call_way { CALL_AT_ONCE, CALL_WAITING, CALL_TASK, CALL_WAYS };

void call_stats_add(const struct model_message *m, enum call_way way, int64_t ns, bool failed);

/* Append them in Prometheus' text format. */
void call_stats_write(struct buf *page);

#endif
