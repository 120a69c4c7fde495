#ifndef XAPID_CERTIFICATE_TRUSTED_H
#define XAPID_CERTIFICATE_TRUSTED_H
/*
 * What the pool trusts: certificates of authorities in STATE/tls/ca and of single servers in
 * STATE/tls/pinned, with a record each, and lists of revoked certificates in STATE/tls/crl, files of their
 * names. The coordinator sends them to its members (xapid/pool/shared_files.h).
 */
#include "xapid/server.h"

/* The names of the folders in STATE/tls, ended by NULL. */
extern const char *const trusted_kinds[];
char *trusted_folder(void *ctx, const struct xapid *x, const char *kind);

/* Is what lies under this name trusted for every use? */
bool trusted_is_general(const char *name);

/* Make the records fit the files, in a transaction of the caller's, for the start: a killed daemon may have
 * left one without the other. What cannot be read is logged and left alone. Blocks; never yields. */
void trusted_rows(struct txn *t, struct xapid *x);

#endif
