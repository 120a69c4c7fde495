#ifndef XAPID_POOL_TAKE_OVER_H
#define XAPID_POOL_TAKE_OVER_H
/*
 * What a host brings into the pool and what it takes away. Never yields; in the caller's transaction.
 */
#include "db/db.h"

/* Make the rows of a joining host's database those of this pool too, with their references and uuids: the
 * host itself, its interfaces, storage, disks and VMs, but no default templates. Its networks become those of
 * the pool with the same name, or are added. Repeated, it brings them up to date. */
void take_over_rows(struct txn *t, struct db *from);

/* Drop a host and all that is gone with it: what only it is tied to of storage, with the disks there, its
 * interfaces, and its control domain. */
void drop_host_rows(struct txn *t, struct ref host);

#endif
