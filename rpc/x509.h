#ifndef RPC_X509_H
#define RPC_X509_H
/*
 * Certificates: what they say, making them, and keeping one with its key in a file. Never yields; x509_store
 * blocks. Workers may call.
 */
#include <stdbool.h>
#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "lib/err.h"

struct x509_facts {
    int64_t not_before, not_after; /* seconds since 1970 UTC */
    char sha256[96], sha1[60];     /* fingerprints: "AA:BB:…" */
};
void x509_facts(X509 *cert, struct x509_facts *ret);

/* A certificate, a private key (unencrypted PKCS#8) or a request for a certificate as PEM text, on ctx. */
char *x509_pem(void *ctx, X509 *cert);
char *x509_key_pem(void *ctx, EVP_PKEY *key);
char *x509_request_pem(void *ctx, X509_REQ *request);

struct x509_extension {
    int nid;
    const char *value; /* as in openssl.cnf */
};

/* A certificate to be issued. */
struct x509_plan {
    const char *common_name, *organization;  /* the subject; NULL: no organization */
    const struct x509_extension *extensions; /* ended by an entry without value */
    EVP_PKEY *key;                           /* whose certificate it is; its public half is enough */
    X509 *issuer;                            /* NULL: its own */
    EVP_PKEY *issuer_key;                    /* key, when it is its own issuer */
    int early_s;    /* since when it is good, for those whose clock is a little behind; 0: a day */
    int valid_days; /* for how long; 0: ten years */
};

/* The caller frees it. */
int x509_issue(const struct x509_plan *plan, X509 **ret, struct err *e);

/* Add what a plan's names say to a subject that is still empty. False when OpenSSL refuses them. */
bool x509_name_set(X509_NAME *name, const char *common_name, const char *organization);

/* A fresh ECDSA P-256 key and a certificate for it that is its own authority, good for ten years, for the
 * names hostname, localhost and address (left out when it is none). The caller frees both. */
int x509_make(const char *hostname, const char *address, EVP_PKEY **ret_key, X509 **ret_cert, struct err *e);

/* Write key, certificate and chain (or NULL) to path, mode 0600: durable when it returns, and at any moment
 * either the old file or the new one is there, whole. */
int x509_store(const char *path, EVP_PKEY *key, X509 *cert, STACK_OF(X509) * chain, struct err *e);

/* Fill e with what and OpenSSL's first complaint. Returns -1. */
int x509_error(struct err *e, const char *what);

#endif
