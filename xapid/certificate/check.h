#ifndef XAPID_CERTIFICATE_CHECK_H
#define XAPID_CERTIFICATE_CHECK_H
/*
 * May this certificate be used? Of PEM text that a client sent (rpc/pem.h). Never yields, but takes its time
 * with keys: for workers.
 */
#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "lib/err.h"

/* A server's certificate, its key, and the certificates between it and its authority. */
struct server_certificate {
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* NULL: none */
};
void server_certificate_free(struct server_certificate *c);

/* Read and check all three; chain "" stands for none. now: seconds since 1970. Keys: RSA of 2048 to 4096 bits
 * with two primes, or ECDSA on P-256, P-384 or P-521 (XenAPI servers take RSA only). The signature is one
 * over SHA-2. A chain has to hold the certificate's issuer. On failure *ret is empty. Errors:
 * SERVER_CERTIFICATE_… */
int server_certificate_read(const char *cert, const char *key, const char *chain, int64_t now,
                            struct server_certificate *ret, struct err *e);

/* The certificate of an authority that is valid now, for the caller to free. Errors: CA_CERTIFICATE_… */
int ca_certificate_read(const char *text, int64_t now, X509 **ret, struct err *e);

/* The same for what is to be trusted by itself. Errors: TRUSTED_CERTIFICATE_… */
int trusted_certificate_read(const char *text, int64_t now, X509 **ret, struct err *e);

#endif
