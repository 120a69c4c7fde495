#ifndef XAPID_HOST_UPGRADE_H
#define XAPID_HOST_UPGRADE_H
/*
 * Hosts of one pool whose toolstacks differ, as while they are upgraded one after the other, the coordinator
 * first. As with XenServer, pool.other_config:rolling_upgrade_in_progress is there meanwhile. Never yields.
 */
#include "db/db.h"

/* Are the versions such that a host of the first could not follow one of the second? Unknown ones, "", are
 * old. */
bool upgrade_is_newer(const char *version, const char *than);

/* The same of two hosts, by their rows. */
bool upgrade_host_is_newer(const struct host *host, const struct host *than);

/* Do the versions of the pool's hosts differ? */
bool upgrade_in_progress(struct db *db);

/* Bring the pool's row up to date with its hosts'. */
void upgrade_note(struct txn *t);

#endif
