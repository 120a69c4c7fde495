#ifndef XAPID_RRD_TEXT_H
#define XAPID_RRD_TEXT_H
/* Archives as clients read them (protocol.md 8.4), in XML or JSON. */
#include "lib/buf.h"
#include "xapid/rrd/archive.h"

/* A number as clients expect it: "0.0", "NaN", "Infinity", "-Infinity", "12.5". */
#define RRD_NUMBER_SIZE 32
void rrd_format_number(char text[RRD_NUMBER_SIZE], double value);

/* The rows since `start` of all sources of n archives, in rows of at least `interval` seconds. now: seconds
 * since 1970. Yields now and then; the archives are held meanwhile. 0 or -ECANCELED. */
int co_rrd_write_updates(struct buf *out, bool json, struct rrd *const *rrds, unsigned n, int64_t start,
                         int64_t interval, int64_t now);

/* All that is kept. Never yields. */
void rrd_write_whole(struct buf *out, bool json, const struct rrd *r);

#endif
