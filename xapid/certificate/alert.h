#ifndef XAPID_CERTIFICATE_ALERT_H
#define XAPID_CERTIFICATE_ALERT_H
/*
 * Messages about certificates near their end: HOST_SERVER_CERTIFICATE_EXPIRING_30 (priority 3), _14 (2), _07
 * (1) when fewer days than that are left, HOST_SERVER_CERTIFICATE_EXPIRED (1) afterwards, about the host; the
 * same as POOL_CA_CERTIFICATE_… about the certificate of an authority. A certificate has one at most: what no
 * longer holds is taken away. Never yields.
 */
#include "db/db.h"

/* Bring the messages up to date; now: seconds since 1970. A failure to write is logged. */
void certificate_alerts(struct db *db, int64_t now);

#endif
