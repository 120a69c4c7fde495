#ifndef XAPID_RELOAD_H
#define XAPID_RELOAD_H
#include "xapid/server.h"

/* From now on SIGHUP makes the daemon read the configuration file and the certificate anew and open its log
 * file anew. Settings that take effect at the next start only are named in the log; a file with a mistake
 * changes nothing. */
void reload_on_hangup(struct xapid *x);

#endif
