#ifndef XAPID_CERTIFICATE_ROW_H
#define XAPID_CERTIFICATE_ROW_H
/*
 * Records of certificates. Never yields.
 */
#include <openssl/x509.h>
#include "db/db.h"

/* A new record of what the certificate says; name "" and host REF_NULL where they do not apply. */
const struct certificate *certificate_row(struct txn *t, enum certificate_type type, const char *name,
                                          struct ref host, X509 *cert);

#endif
