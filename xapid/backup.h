#ifndef XAPID_BACKUP_H
#define XAPID_BACKUP_H
/* Automatic copies of the database (db/backup.h), as the backup options say. */
#include "xapid/server.h"

/* Make one now. Errors: INTERNAL_ERROR. */
int co_backup_now(const struct xapid *x, struct err *e);

/* While the daemon runs, make one whenever the newest is older than the interval. */
void backup_start(struct xapid *x);

/* The database did not open, as e says: add the way back, if there is a good copy. */
void backup_advise(const struct xapid_options *o, struct err *e);

#endif
