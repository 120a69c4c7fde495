#ifndef XAPID_CERTIFICATE_SERVER_H
#define XAPID_CERTIFICATE_SERVER_H
/*
 * The certificate that this host shows to clients, STATE/tls/server.pem, and its record. The record follows
 * what is served: at the start, when the certificate is replaced through the API, and when it is read anew.
 */
#include "xapid/server.h"

/* Make a host's record fit the certificate that it serves, PEM text; "": not known. In a transaction of the
 * caller's; never yields. */
void server_certificate_row(struct txn *t, struct ref host, const char *pem);

/* Make this host's record fit what x->tls serves, at once or, on a member, by the coordinator; a failure is
 * logged. */
void server_certificate_note(struct xapid *x);

#endif
