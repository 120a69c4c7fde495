#ifndef XAPID_CERTIFICATE_VERIFY_H
#define XAPID_CERTIFICATE_VERIFY_H
/*
 * Are servers outside the pool believed? Where pool.enable_tls_verification was called, and unless it was
 * switched off on this host in an emergency (STATE/tls/verification-off), only by what the pool trusts
 * (xapid/certificate/trusted.h): a certificate that is pinned, or one for the server's name that an authority
 * has issued and no list revokes. Hosts of the pool know each other otherwise (pool/peer.h).
 */
#include <openssl/ssl.h>
#include "xapid/server.h"

/* A client's context for that, to be freed when its clients are; NULL: all are believed. Blocks; never
 * yields. */
SSL_CTX *verify_servers(struct xapid *x);

/* Has it been switched off here? */
bool verify_is_off(const struct xapid *x);

#endif
