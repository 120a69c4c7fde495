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

/* "AA:BB:…" SHA-256 fingerprint of the server's certificate, on ctx. */
const char *tls_server_fingerprint(void *ctx, struct tls_server *t);

#endif
