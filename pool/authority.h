#ifndef POOL_AUTHORITY_H
#define POOL_AUTHORITY_H
/*
 * The pool's own authority of certificates, and the certificate that it gave to this host. They say who may
 * speak as a host of the pool, between daemons (pool/peer.h) and between hypervisors. Every host of the pool
 * has the authority's key, since each may become the coordinator.
 *
 * In STATE/pool, laid out as QEMU's tls-creds-x509 wants a folder: ca-cert.pem, ca-key.pem, server-cert.pem,
 * server-key.pem, and client-… as links to the latter. The folder also holds `membership`, which is not this
 * module's. Keys are ECDSA P-256. The certificate of a host has the subject O = pool uuid, CN = host uuid,
 * and the DNS name <host uuid>.
 *
 * Never yields. What reads or writes files blocks, what signs takes its time; workers may call.
 */
#include <openssl/ssl.h>
#include "lib/err.h"
#include "model/value.h"

struct authority;

/* The O of certificates that are no host's. */
#define AUTHORITY_VISITOR "visitor"
#define AUTHORITY_VISITOR_DAYS 30 /* it may have to ask long after its visit */

/* PEM texts. */
struct authority_files {
    const char *ca_cert, *ca_key; /* of the authority; more certificates after its own are trusted, too */
    const char *cert, *key;       /* of the host */
};

/* Load what is in state_dir, making an authority for a pool of this one host when there is none. Fails when
 * it is of another pool or host, or damaged. */
int authority_open(const char *state_dir, const char *pool_uuid, const char *host_uuid,
                   struct authority **ret, struct err *e);
void authority_free(struct authority *a);

const char *authority_pool(const struct authority *a);
const char *authority_host(const struct authority *a);

/* Certificate and key of the authority, and of this host; good as long as a is. */
struct authority_files authority_export(const struct authority *a);

/* ---- joining ---- */

/* At the joiner: a fresh key, and a request for a certificate of it in that pool. On ctx. */
int authority_request(void *ctx, const char *pool_uuid, const char *host_uuid, char **ret_key,
                      char **ret_request, struct err *e);

/* At a host of the pool: the certificate for a request from host_uuid, on ctx. INVALID_VALUE for a request
 * whose signature does not verify, with another kind of key, or that asks for anything else than a
 * certificate of that host in this pool. */
int authority_sign(const struct authority *a, void *ctx, const char *request, const char *host_uuid,
                   char **ret_cert, struct err *e);

/* The same for somebody from outside, under a name of our own (a uuid) that is no host's: what it lets him
 * do is what somebody has told us to expect of that name (pool/visitor.h). It is good from an hour ago, for
 * clocks that differ, and for AUTHORITY_VISITOR_DAYS. */
int authority_sign_visitor(const struct authority *a, void *ctx, const char *request, const char *uuid,
                           char **ret_cert, struct err *e);

/* At the joiner: put these in the place of those in state_dir, together with the text of membership (NULL:
 * the one there is stays). Durable; after a crash all of it is there or none. Checked first: INVALID_VALUE
 * when they do not belong together. */
int authority_install(const char *state_dir, const char *pool_uuid, const char *host_uuid,
                      const struct authority_files *files, const char *membership, struct err *e);

/* ---- a new one ---- */

/* Another authority in a's place, with a certificate of its own for this host; it trusts a's certificates,
 * too. Texts on ctx; nothing is in use yet. */
int authority_renew(const struct authority *a, void *ctx, struct authority_files *ret, struct err *e);

/* Write these and use them from now on, for connections that begin; what those refer to stays in its place.
 * INVALID_VALUE when they do not belong together. */
int authority_take(struct authority *a, const char *state_dir, const struct authority_files *files,
                   struct err *e);

/* Was this certificate, PEM text, issued by a, and not by another authority that is trusted, too? */
bool authority_issued(const struct authority *a, const char *cert);

/* The certificate of this host, and that of the authority alone, as PEM text on ctx. */
X509 *authority_own_certificate(const struct authority *a);
char *authority_ca_certificate(const struct authority *a, void *ctx);

/* ---- TLS ---- */

/* Peers are believed only if known says so of their uuid and their certificate's fingerprint ("AA:BB:…"); in
 * handshakes. Must not yield. */
void authority_set_known(struct authority *a,
                         bool (*known)(const char *host_uuid, const char *sha256, void *arg), void *arg);

/* Since it was last asked: has a server refused to be believed that calls itself a host of this very pool, by
 * another authority? Then the pool has one that this host has not heard of. */
bool authority_take_superseded(struct authority *a);

/* Contexts with this host's certificate that take only peers with a certificate of the authority; TLS 1.3
 * without resumption. Owned by a. */
SSL_CTX *authority_server_context(const struct authority *a);
SSL_CTX *authority_client_context(const struct authority *a);

#endif
