#ifndef XAPID_CERTIFICATE_TRUSTED_H
#define XAPID_CERTIFICATE_TRUSTED_H
/*
 * What the pool trusts: certificates of authorities in STATE/tls/ca, with a record each, and lists of revoked
 * certificates in STATE/tls/crl, files of their names.
 */
#include "xapid/server.h"

/* Make the records fit the files, in a transaction of the caller's, for the start: a killed daemon may have
 * left one without the other. What cannot be read is logged and left alone. Blocks; never yields. */
void trusted_rows(struct txn *t, struct xapid *x);

#endif
