#ifndef XAPID_RRD_COLLECT_H
#define XAPID_RRD_COLLECT_H
/* Each daemon watches its own machine and the guests on it, every five seconds. */
#include "xapid/server.h"

void rrd_collect_start(struct xapid *x);

/* Look no more; a look in progress is given up. */
void co_rrd_collect_stop(int64_t deadline);

/* Save what there is now. */
void co_rrd_collect_save(struct xapid *x);

#endif
