#include "pool/visitor.h"
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include <openssl/err.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "pool/peer.h"
#include "rpc/pem.h"
#include "rpc/x509.h"

int visitor_request(void *ctx, const char *uuid, char **ret_key, char **ret_request, struct err *e)
{
    return authority_request(ctx, AUTHORITY_VISITOR, uuid, ret_key, ret_request, e);
}

bool visitor_is_over(const struct hv_credentials *c)
{
    X509 *cert = pem_read_certificate(c->certificate);
    struct x509_facts facts = {0};

    if (cert)
        x509_facts(cert, &facts);
    X509_free(cert);
    ERR_clear_error();
    return facts.not_after < clock_wall();
}

/* ---- contexts ---- */

static bool use(SSL_CTX *context, X509 *authority, X509 *cert, EVP_PKEY *key)
{
    return authority && cert && key && SSL_CTX_use_cert_and_key(context, cert, key, NULL, 1) == 1 &&
           X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) == 1 &&
           SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1;
}

int visitor_context(const struct hv_credentials *c, SSL_CTX **ret, struct err *e)
{
    X509 *authority = pem_read_certificate(c->authority), *cert = pem_read_certificate(c->certificate);
    EVP_PKEY *key = pem_read_key(c->key);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    bool fine = context && use(context, authority, cert, key);

    X509_free(authority);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!fine) {
        SSL_CTX_free(context);
        return err_invalid_value(e, "credentials", "they cannot be used");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    *ret = context;
    return 0;
}

static int is_pinned(X509_STORE_CTX *store, void *arg)
{
    struct x509_facts facts;

    x509_facts(X509_STORE_CTX_get0_cert(store), &facts);
    return strcasecmp(facts.sha256, arg) == 0;
}

static void free_pin(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    talloc_free(ptr);
}

/* Where a context keeps the fingerprint that belongs to it. */
static int pin_index(void)
{
    static int index = -1;

    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pin);
    return index;
}

SSL_CTX *visitor_pinned_context(const char *sha256)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char *pin = talloc_strdup(NULL, sha256);

    if (!context || !pin || SSL_CTX_set_ex_data(context, pin_index(), pin) != 1 ||
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        mem_abort();
    SSL_CTX_set_cert_verify_callback(context, is_pinned, pin);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

struct rpc_client *visitor_client(SSL_CTX *context, const char *address, uint16_t port, const char *host_uuid)
{
    const struct rpc_client_options o = {.host = address,
                                         .port = port,
                                         .tls = true,
                                         .tls_context = context,
                                         .server_name = PEER_SERVER_NAME,
                                         .peer_name = host_uuid,
                                         .send_once = true};
    return rpc_client_new(&o);
}

const char *visitor_identify(const struct http_request *r)
{
    return peer_name(r, AUTHORITY_VISITOR);
}
