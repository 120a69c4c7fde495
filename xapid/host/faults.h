#ifndef XAPID_HOST_FAULTS_H
#define XAPID_HOST_FAULTS_H
#include "xapid/server.h"

/* For tests, and only with --fault-at. A text of lib/fault.h is armed now. "control" lets SIGUSR1 do it at
 * any time: the text in STATE/fault is armed (empty: disarmed) after STATE/fault.fired was written, 1 or 0
 * for the one before. */
int faults_start(struct xapid *x, struct err *e);

#endif
