#ifndef XAPID_EVENT_BATCH_H
#define XAPID_EVENT_BATCH_H
/*
 * The events since a generation: one an object, created as `add`, changed as `mod` with the present record,
 * deleted as `del` when it was there before. A batch holds pointers to rows: collect and write without a
 * yield in between.
 */
#include "rpc/encode.h"
#include "xapid/event/filter.h"

struct event_batch;

/* Collect on ctx what the filter wants. */
struct event_batch *event_collect(void *ctx, struct db *db, const struct event_filter *f, uint64_t since);

bool event_batch_is_empty(const struct event_batch *b);

/* Is there anything at all for the filter since then? Builds nothing. */
bool event_is_due(struct db *db, const struct event_filter *f, uint64_t since);

/* An array of event records: those of messages first, then adds, mods and dels. ids count on from *next_id.
 */
void event_batch_write(struct event_batch *b, struct enc *out, const char *timestamp, uint64_t *next_id);

#endif
