#ifndef XAPID_HOUSEKEEPING_H
#define XAPID_HOUSEKEEPING_H
#include "xapid/server.h"

/* Start the fiber that, each minute, ends idle sessions and forgets old tasks. */
void housekeeping_start(struct xapid *x);

#endif
