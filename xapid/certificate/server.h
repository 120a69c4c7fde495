#ifndef XAPID_CERTIFICATE_SERVER_H
#define XAPID_CERTIFICATE_SERVER_H
/*
 * The certificate that this host shows to clients, STATE/tls/server.pem, and its record. The record follows
 * what is served: at the start, when the certificate is replaced through the API, and when it is read anew.
 */
#include "xapid/server.h"

/* Make the record of type host fit what x->tls serves, in a transaction of the caller's. Never yields. */
void server_certificate_row(struct txn *t, struct xapid *x);

/* The same in one of its own; a failure is logged. */
void server_certificate_note(struct xapid *x);

#endif
