#ifndef XAPID_HOST_CRASH_DUMPS_H
#define XAPID_HOST_CRASH_DUMPS_H
/*
 * What crashes of this host's kernel left, as Debian's kdump-tools keep it: a folder
 * /var/crash/<YYYYMMDDhhmm>, local time, for each. Those of members are not looked for.
 */
#include "db/setters.gen.h"
#include "xapid/server.h"

/* Make the records fit the folders, at the start: a crash comes before one. Blocks for a moment; never
 * yields. */
void crash_dump_rows(struct txn *t, struct xapid *x);

#endif
