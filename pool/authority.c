#include "pool/authority.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "model/errors.gen.h"
#include "pool/folder.h"
#include "rpc/pem.h"
#include "rpc/tls.h"
#include "rpc/x509.h"

#define AUTHORITY_NAME "pool authority"
#define CURVE SN_X9_62_prime256v1

struct authority {
    char pool[UUID_TEXT_SIZE], host[UUID_TEXT_SIZE];
    X509 *ca_cert, *cert;
    STACK_OF(X509) * trusted; /* ca_cert, and others */
    EVP_PKEY *ca_key, *key;
    SSL_CTX *server, *client;
    struct authority_files files;
    bool (*known)(const char *host_uuid, const char *sha256, void *arg);
    void *known_arg;
    bool superseded;
};

static int destroy(struct authority *a)
{
    X509_free(a->ca_cert);
    X509_free(a->cert);
    sk_X509_pop_free(a->trusted, X509_free);
    EVP_PKEY_free(a->ca_key);
    EVP_PKEY_free(a->key);
    SSL_CTX_free(a->server);
    SSL_CTX_free(a->client);
    ERR_clear_error();
    return 0;
}

static struct authority *authority_new(const char *pool_uuid, const char *host_uuid)
{
    struct authority *a = talloc_zero(NULL, struct authority);
    talloc_set_destructor(a, destroy);
    snprintf(a->pool, sizeof a->pool, "%s", pool_uuid);
    snprintf(a->host, sizeof a->host, "%s", host_uuid);
    return a;
}

void authority_free(struct authority *a)
{
    talloc_free(a);
}

const char *authority_pool(const struct authority *a)
{
    return a->pool;
}

const char *authority_host(const struct authority *a)
{
    return a->host;
}

struct authority_files authority_export(const struct authority *a)
{
    return a->files;
}

SSL_CTX *authority_server_context(const struct authority *a)
{
    return a->server;
}

SSL_CTX *authority_client_context(const struct authority *a)
{
    return a->client;
}

/* ---- issuing ---- */

static int issue_own(const struct authority *a, EVP_PKEY *key, X509 **ret, struct err *e)
{
    static const struct x509_extension extensions[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                                       {NID_key_usage, "critical,keyCertSign"},
                                                       {NID_subject_key_identifier, "hash"},
                                                       {0}};
    struct x509_plan plan = {.common_name = AUTHORITY_NAME,
                             .organization = a->pool,
                             .extensions = extensions,
                             .key = key,
                             .issuer_key = key};
    return x509_issue(&plan, ret, e);
}

enum { VISITOR_EARLY_S = 3600 };

/* organization: the pool's uuid for a host of its, or AUTHORITY_VISITOR. */
static int issue_for(const struct authority *a, const char *organization, const char *host_uuid,
                     EVP_PKEY *key, X509 **ret, struct err *e)
{
    char name[sizeof "DNS:" + UUID_TEXT_SIZE];
    const struct x509_extension extensions[] = {{NID_subject_alt_name, name},
                                                {NID_basic_constraints, "critical,CA:FALSE"},
                                                {NID_key_usage, "digitalSignature"},
                                                {NID_ext_key_usage, "serverAuth,clientAuth"},
                                                {NID_authority_key_identifier, "keyid:always"},
                                                {0}};
    struct x509_plan plan = {.common_name = host_uuid,
                             .organization = organization,
                             .extensions = extensions,
                             .key = key,
                             .issuer = a->ca_cert,
                             .issuer_key = a->ca_key};
    if (strcmp(organization, AUTHORITY_VISITOR) == 0) {
        plan.valid_days = AUTHORITY_VISITOR_DAYS;
        plan.early_s = VISITOR_EARLY_S;
    }
    snprintf(name, sizeof name, "DNS:%s", host_uuid);
    return x509_issue(&plan, ret, e);
}

/* ---- requests ---- */

static int fill_request(X509_REQ *request, EVP_PKEY *key, const char *pool_uuid, const char *host_uuid,
                        struct err *e)
{
    if (X509_REQ_set_version(request, 0) != 1 || X509_REQ_set_pubkey(request, key) != 1 ||
        !x509_name_set(X509_REQ_get_subject_name(request), host_uuid, pool_uuid) ||
        X509_REQ_sign(request, key, EVP_sha256()) <= 0)
        return x509_error(e, "cannot make a request for a certificate");
    return 0;
}

int authority_request(void *ctx, const char *pool_uuid, const char *host_uuid, char **ret_key,
                      char **ret_request, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen(CURVE);
    X509_REQ *request = X509_REQ_new();
    int r = key && request ? fill_request(request, key, pool_uuid, host_uuid, e)
                           : x509_error(e, "cannot make a key");
    if (r == 0) {
        *ret_key = x509_key_pem(ctx, key);
        *ret_request = x509_request_pem(ctx, request);
    }
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return r;
}

static bool is_host_key(EVP_PKEY *key)
{
    char group[64] = "";
    return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 && strcmp(group, CURVE) == 0;
}

/* Exactly the subject that we give to a host. */
static bool names(X509_NAME *name, const char *pool_uuid, const char *host_uuid)
{
    X509_NAME *wanted = X509_NAME_new();
    bool same = wanted && x509_name_set(wanted, host_uuid, pool_uuid) && X509_NAME_cmp(name, wanted) == 0;
    X509_NAME_free(wanted);
    return same;
}

/* What is wrong with it, or NULL. */
static const char *fault_of(X509_REQ *request, const char *pool_uuid, const char *host_uuid)
{
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    if (!request)
        return "it cannot be read";
    if (!is_host_key(key))
        return "its key is none on P-256";
    if (X509_REQ_verify(request, key) != 1)
        return "its signature does not verify";
    if (!names(X509_REQ_get_subject_name(request), pool_uuid, host_uuid))
        return "it is for somebody else";
    return X509_REQ_get_attr_count(request) > 0 ? "it asks for more than a name" : NULL;
}

static int sign(const struct authority *a, void *ctx, const char *request, const char *organization,
                const char *uuid, char **ret_cert, struct err *e)
{
    X509_REQ *wanted = pem_read_request(request);
    const char *fault = uuid_is_valid(uuid) ? fault_of(wanted, organization, uuid) : "no host's uuid";
    X509 *cert = NULL;
    ERR_clear_error();
    int r = fault ? err_invalid_value(e, "certificate request", fault)
                  : issue_for(a, organization, uuid, X509_REQ_get0_pubkey(wanted), &cert, e);
    X509_REQ_free(wanted);
    if (r < 0)
        return -1;
    *ret_cert = x509_pem(ctx, cert);
    X509_free(cert);
    return 0;
}

int authority_sign(const struct authority *a, void *ctx, const char *request, const char *host_uuid,
                   char **ret_cert, struct err *e)
{
    return sign(a, ctx, request, a->pool, host_uuid, ret_cert, e);
}

int authority_sign_visitor(const struct authority *a, void *ctx, const char *request, const char *uuid,
                           char **ret_cert, struct err *e)
{
    return sign(a, ctx, request, AUTHORITY_VISITOR, uuid, ret_cert, e);
}

/* ---- contexts ---- */

/* Has the peer's own certificate, which an authority of ours has issued, to be taken for that host's? */
static bool is_known(const struct authority *a, X509 *cert)
{
    char uuid[UUID_TEXT_SIZE + 1];
    struct x509_facts f;
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, uuid, sizeof uuid);
    x509_facts(cert, &f);
    return n > 0 && (!a->known || a->known(uuid, f.sha256, a->known_arg));
}

static bool is_of_pool(const struct authority *a, X509 *cert)
{
    char uuid[UUID_TEXT_SIZE + 1] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_organizationName, uuid, sizeof uuid);
    return strcmp(uuid, a->pool) == 0;
}

bool authority_take_superseded(struct authority *a)
{
    bool superseded = a->superseded;
    a->superseded = false;
    return superseded;
}

static int on_verify(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct authority *a = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
    if (!good && a && !SSL_is_server(ssl) && is_of_pool(a, X509_STORE_CTX_get0_cert(store)))
        a->superseded = true;
    if (!good || X509_STORE_CTX_get_error_depth(store) > 0)
        return good;
    if (a && is_known(a, X509_STORE_CTX_get_current_cert(store)))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* Sessions are not resumed; were one tried, it would have to be of this very authority. */
static bool set_session_context(SSL_CTX *context, X509 *ca_cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return X509_digest(ca_cert, EVP_sha256(), digest, &n) == 1 &&
           SSL_CTX_set_session_id_context(context, digest, n) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1;
}

/* In the place of those that were trusted before. */
static bool trust(SSL_CTX *context, STACK_OF(X509) * trusted)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    X509_STORE *store = X509_STORE_new();
    bool good = names && store;
    for (int i = 0; good && i < sk_X509_num(trusted); i++) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(sk_X509_value(trusted, i)));
        good = name && sk_X509_NAME_push(names, name) > 0 &&
               X509_STORE_add_cert(store, sk_X509_value(trusted, i)) == 1;
    }
    SSL_CTX_set_cert_store(context, store);
    SSL_CTX_set_client_CA_list(context, names);
    return good;
}

static int trust_only(const struct authority *a, SSL_CTX *context, struct err *e)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_app_data(context, (void *)(uintptr_t)a);
    if (!trust(context, a->trusted) || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        !set_session_context(context, a->ca_cert))
        return x509_error(e, "the pool's certificate cannot be used");
    return 0;
}

static int make_client_context(struct authority *a, struct err *e)
{
    a->client = SSL_CTX_new(TLS_client_method());
    if (!a->client || SSL_CTX_use_cert_and_key(a->client, a->cert, a->key, NULL, 1) != 1)
        return x509_error(e, "the pool's certificate cannot be used");
    return trust_only(a, a->client, e);
}

static int make_contexts(struct authority *a, struct err *e)
{
    if (tls_context_make(a->key, a->cert, NULL, &a->server, e) < 0 || trust_only(a, a->server, e) < 0)
        return -1;
    return make_client_context(a, e);
}

void authority_set_known(struct authority *a,
                         bool (*known)(const char *host_uuid, const char *sha256, void *arg), void *arg)
{
    a->known = known;
    a->known_arg = arg;
}

/* ---- loading ---- */

static bool issued(X509 *issuer, X509 *cert)
{
    return X509_check_issued(issuer, cert) == X509_V_OK && X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
}

static const char *fault_of_files(struct authority *a)
{
    if (!a->ca_cert || !a->ca_key || !a->cert || !a->key)
        return "a certificate or key cannot be read";
    if (X509_check_private_key(a->ca_cert, a->ca_key) != 1 || X509_check_private_key(a->cert, a->key) != 1)
        return "a key is of another certificate";
    if (X509_check_ca(a->ca_cert) != 1 || !is_host_key(a->key) || !issued(a->ca_cert, a->cert))
        return "the pool has not issued the host's certificate";
    return names(X509_get_subject_name(a->cert), a->pool, a->host) ? NULL : "it is of another pool or host";
}

static void read_trusted(struct authority *a, const char *text)
{
    a->trusted = pem_read_certificates(text);
    a->ca_cert = sk_X509_value(a->trusted, 0);
    if (a->ca_cert)
        X509_up_ref(a->ca_cert);
}

/* Take over the texts and what they say. */
static int read_files(struct authority *a, const struct authority_files *f, struct err *e)
{
    read_trusted(a, f->ca_cert);
    a->ca_key = pem_read_key(f->ca_key);
    a->cert = pem_read_certificate(f->cert);
    a->key = pem_read_key(f->key);
    a->files = (struct authority_files){.ca_cert = talloc_strdup(a, f->ca_cert),
                                        .ca_key = talloc_strdup(a, f->ca_key),
                                        .cert = talloc_strdup(a, f->cert),
                                        .key = talloc_strdup(a, f->key)};
    const char *fault = fault_of_files(a);
    ERR_clear_error();
    return fault ? err_invalid_value(e, "pool certificates", fault) : 0;
}

static int authority_from(const char *pool_uuid, const char *host_uuid, const struct authority_files *f,
                          struct authority **ret, struct err *e)
{
    struct authority *a = authority_new(pool_uuid, host_uuid);
    if (read_files(a, f, e) < 0 || make_contexts(a, e) < 0) {
        authority_free(a);
        return -1;
    }
    *ret = a;
    return 0;
}

/* ---- files ---- */

static int write_files(const char *state_dir, const struct authority_files *f, const char *membership,
                       struct err *e)
{
    const struct pool_file files[] = {{.name = "ca-cert.pem", .text = f->ca_cert},
                                      {.name = "ca-key.pem", .text = f->ca_key},
                                      {.name = "server-cert.pem", .text = f->cert},
                                      {.name = "server-key.pem", .text = f->key},
                                      {.name = "client-cert.pem", .link = "server-cert.pem"},
                                      {.name = "client-key.pem", .link = "server-key.pem"},
                                      {.name = "membership", .text = membership},
                                      {0}};
    int r = pool_folder_replace(state_dir, files);
    return r < 0 ? err_errno(e, r, "writing %s/pool", state_dir) : 0;
}

int authority_install(const char *state_dir, const char *pool_uuid, const char *host_uuid,
                      const struct authority_files *files, const char *membership, struct err *e)
{
    struct authority *checked;
    if (authority_from(pool_uuid, host_uuid, files, &checked, e) < 0)
        return -1;
    authority_free(checked);
    return write_files(state_dir, files, membership, e);
}

/* An authority and, from it, a certificate for its first host. */
static int make(struct authority *a, struct err *e)
{
    a->ca_key = EVP_EC_gen(CURVE);
    a->key = EVP_EC_gen(CURVE);
    a->trusted = sk_X509_new_null();
    if (!a->ca_key || !a->key || !a->trusted)
        return x509_error(e, "cannot make a key");
    if (issue_own(a, a->ca_key, &a->ca_cert, e) < 0 ||
        issue_for(a, a->pool, a->host, a->key, &a->cert, e) < 0)
        return -1;
    X509_up_ref(a->ca_cert);
    sk_X509_push(a->trusted, a->ca_cert);
    a->files = (struct authority_files){.ca_cert = x509_pem(a, a->ca_cert),
                                        .ca_key = x509_key_pem(a, a->ca_key),
                                        .cert = x509_pem(a, a->cert),
                                        .key = x509_key_pem(a, a->key)};
    return make_contexts(a, e);
}

static int make_and_write(const char *state_dir, const char *pool_uuid, const char *host_uuid,
                          struct authority **ret, struct err *e)
{
    struct authority *a = authority_new(pool_uuid, host_uuid);
    if (make(a, e) < 0 || write_files(state_dir, &a->files, NULL, e) < 0) {
        authority_free(a);
        return -1;
    }
    *ret = a;
    return 0;
}

int authority_open(const char *state_dir, const char *pool_uuid, const char *host_uuid,
                   struct authority **ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct authority_files f = {0};

    pool_folder_sweep(state_dir);
    if (!(f.ca_cert = pool_folder_read(mem, state_dir, "ca-cert.pem")))
        return errno == ENOENT ? make_and_write(state_dir, pool_uuid, host_uuid, ret, e)
                               : err_errno(e, -errno, "reading %s/pool", state_dir);
    f.ca_key = pool_folder_read(mem, state_dir, "ca-key.pem");
    f.cert = pool_folder_read(mem, state_dir, "server-cert.pem");
    f.key = pool_folder_read(mem, state_dir, "server-key.pem");
    if (!f.ca_key || !f.cert || !f.key)
        return err_errno(e, -errno, "reading %s/pool", state_dir);
    return authority_from(pool_uuid, host_uuid, &f, ret, e);
}

/* ---- a new one ---- */

int authority_renew(const struct authority *a, void *ctx, struct authority_files *ret, struct err *e)
{
    struct authority *next = authority_new(a->pool, a->host);
    int r = make(next, e);
    if (r == 0)
        *ret = (struct authority_files){
            .ca_cert = talloc_asprintf(ctx, "%s%s", next->files.ca_cert, x509_pem(next, a->ca_cert)),
            .ca_key = talloc_strdup(ctx, next->files.ca_key),
            .cert = talloc_strdup(ctx, next->files.cert),
            .key = talloc_strdup(ctx, next->files.key)};
    authority_free(next);
    return r;
}

/* Contexts stay the same ones, for clients and servers hold them. */
static int fill_contexts(struct authority *a, struct err *e)
{
    if (SSL_CTX_use_cert_and_key(a->server, a->cert, a->key, NULL, 1) != 1 ||
        SSL_CTX_use_cert_and_key(a->client, a->cert, a->key, NULL, 1) != 1)
        return x509_error(e, "the pool's certificate cannot be used");
    return trust_only(a, a->server, e) < 0 ? -1 : trust_only(a, a->client, e);
}

static void exchange(struct authority *a, struct authority *b)
{
    struct authority kept = *a;
    *a = *b;
    *b = kept;
    b->server = a->server;
    b->client = a->client;
    a->server = kept.server;
    a->client = kept.client;
    a->known = kept.known;
    a->known_arg = kept.known_arg;
}

int authority_take(struct authority *a, const char *state_dir, const struct authority_files *files,
                   struct err *e)
{
    struct authority *next;
    if (authority_from(a->pool, a->host, files, &next, e) < 0)
        return -1;
    int r = write_files(state_dir, files, NULL, e);
    if (r == 0) {
        exchange(a, next);
        a->files = (struct authority_files){.ca_cert = talloc_strdup(a, a->files.ca_cert),
                                            .ca_key = talloc_strdup(a, a->files.ca_key),
                                            .cert = talloc_strdup(a, a->files.cert),
                                            .key = talloc_strdup(a, a->files.key)};
        r = fill_contexts(a, e);
    }
    authority_free(next);
    return r;
}

bool authority_issued(const struct authority *a, const char *cert)
{
    X509 *c = pem_read_certificate(cert);
    bool yes = c && issued(a->ca_cert, c);
    X509_free(c);
    ERR_clear_error();
    return yes;
}

X509 *authority_own_certificate(const struct authority *a)
{
    return a->cert;
}

char *authority_ca_certificate(const struct authority *a, void *ctx)
{
    return x509_pem(ctx, a->ca_cert);
}
