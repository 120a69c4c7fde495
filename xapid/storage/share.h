#ifndef XAPID_STORAGE_SHARE_H
#define XAPID_STORAGE_SHARE_H
/* Shared storage is every host's: each has a PBD for it, with the settings of the first. */
#include "xapid/server.h"

/* Make the PBDs that the host lacks for the pool's shared SRs, not plugged. */
void share_rows(struct txn *t, struct ref host);

/* Let all hosts have a shared SR that one of them has made; where it cannot be attached now, that is logged.
 */
int co_share_new_sr(struct xapid *x, struct ref sr, struct err *e);

#endif
