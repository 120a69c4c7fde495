#ifndef RPC_X509_H
#define RPC_X509_H
/*
 * Certificates: what they say, making a self-signed one, and keeping one with its key in a file. Never
 * yields; x509_store blocks. Workers may call.
 */
#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "lib/err.h"

struct x509_facts {
    int64_t not_before, not_after; /* seconds since 1970 UTC */
    char sha256[96], sha1[60];     /* fingerprints: "AA:BB:…" */
};
void x509_facts(X509 *cert, struct x509_facts *ret);

/* The certificate as PEM text, on ctx. */
char *x509_pem(void *ctx, X509 *cert);

/* A fresh ECDSA P-256 key and a certificate for it that is its own authority, good for ten years, for the
 * names hostname, localhost and address (left out when it is none). The caller frees both. */
int x509_make(const char *hostname, const char *address, EVP_PKEY **ret_key, X509 **ret_cert, struct err *e);

/* Write key, certificate and chain (or NULL) to path, mode 0600: durable when it returns, and at any moment
 * either the old file or the new one is there, whole. */
int x509_store(const char *path, EVP_PKEY *key, X509 *cert, STACK_OF(X509) * chain, struct err *e);

/* Fill e with what and OpenSSL's first complaint. Returns -1. */
int x509_error(struct err *e, const char *what);

#endif
