#ifndef RPC_TLS_H
#define RPC_TLS_H
/*
 * Certificates and TLS contexts. TLS 1.2 and 1.3 only. Self-signed ECDSA P-256, made on first start into
 * STATE/tls/server.pem (key and certificate, mode 0600), subject alternative names: host name, address,
 * localhost.
 */
#include <openssl/ssl.h>
#include "lib/err.h"

struct tls_server; /* a context that can be replaced at run time; new connections use the new one */

/* Load dir/server.pem, making it when absent. */
int tls_server_open(const char *dir, const char *hostname, const char *address, struct tls_server **ret,
                    struct err *e);

/* Read the file again, after it was replaced; on failure the old context stays. */
int tls_server_reload(struct tls_server *t, struct err *e);
SSL_CTX *tls_server_context(struct tls_server *t);
void tls_server_free(struct tls_server *t);

/* Where its certificate and key are kept. */
const char *tls_server_path(const struct tls_server *t);

/* The certificate that new connections see; the server's. */
X509 *tls_server_certificate(struct tls_server *t);

/* A context for the server of what is in memory; chain may be NULL. Workers may call. */
int tls_context_make(EVP_PKEY *key, X509 *cert, STACK_OF(X509) * chain, SSL_CTX **ret, struct err *e);

/* Clients that call the server by this name (SNI, in lower case) get this context instead, with its
 * certificate, its demands on theirs and its protocol versions; nobody else does. A session of one context is
 * not resumed in the other when their session id contexts differ. NULL: no longer. Keeps a reference. */
void tls_server_set_named_context(struct tls_server *t, const char *name, SSL_CTX *context);

/* Use it for new connections; those there are go on with the old one. */
void tls_server_take_context(struct tls_server *t, SSL_CTX *context);

#endif
