#include "rpc/tls.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/mem.h"
#include "rpc/x509.h"

struct tls_server {
    char *path;
    SSL_CTX *context;
    char *name; /* that calls for the other context; NULL: none does */
    SSL_CTX *named_context;
};

static int create(const char *dir, const char *path, const char *hostname, const char *address, struct err *e)
{
    EVP_PKEY *key;
    X509 *cert;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_errno(e, -errno, "cannot make %s", dir);
    if (x509_make(hostname, address, &key, &cert, e) < 0)
        return -1;
    int r = x509_store(path, key, cert, NULL, e);
    X509_free(cert);
    EVP_PKEY_free(key);
    return r;
}

/* ---- contexts ---- */

static bool configure(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_num_tickets(c, 1);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set_session_id_context(c, (const unsigned char *)"xapid", 5) == 1;
}

static SSL_CTX *context_new(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL)
        mem_abort();
    return context;
}

static int unusable(SSL_CTX *context, struct err *e)
{
    SSL_CTX_free(context);
    return x509_error(e, "the certificate and key cannot be used");
}

int tls_context_make(EVP_PKEY *key, X509 *cert, STACK_OF(X509) * chain, SSL_CTX **ret, struct err *e)
{
    SSL_CTX *context = context_new();
    if (!configure(context) || SSL_CTX_use_cert_and_key(context, cert, key, chain, 1) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return unusable(context, e);
    *ret = context;
    return 0;
}

/* ---- by the name that a client calls ---- */

/* A server_name extension (RFC 6066, section 3) that asks for exactly this name. */
static bool asks_for(SSL *ssl, const char *name)
{
    const unsigned char *x;
    size_t n, length = strlen(name);
    return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &x, &n) == 1 && n == length + 5 &&
           (size_t)(x[0] << 8 | x[1]) == length + 3 && x[2] == TLSEXT_NAMETYPE_host_name &&
           (size_t)(x[3] << 8 | x[4]) == length && memcmp(x + 5, name, length) == 0;
}

/* Before anything else of the client's hello is looked at, in particular a session to be resumed. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *t = arg;
    SSL_CTX *c = t->named_context;
    if (t->name == NULL || !asks_for(ssl, t->name))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    if (SSL_set_SSL_CTX(ssl, c) == NULL ||
        SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(c)) != 1 ||
        SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(c)) != 1)
        return SSL_CLIENT_HELLO_ERROR;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(c), SSL_CTX_get_verify_callback(c));
    return SSL_CLIENT_HELLO_SUCCESS;
}

void tls_server_set_named_context(struct tls_server *t, const char *name, SSL_CTX *context)
{
    if (context != NULL)
        SSL_CTX_up_ref(context);
    SSL_CTX_free(t->named_context);
    free(t->name);
    t->named_context = context;
    t->name = context != NULL ? mem_strdup(name) : NULL;
}

void tls_server_take_context(struct tls_server *t, SSL_CTX *context)
{
    SSL_CTX_set_client_hello_cb(context, on_hello, t);
    SSL_CTX_free(t->context);
    t->context = context;
}

int tls_server_reload(struct tls_server *t, struct err *e)
{
    SSL_CTX *context = context_new();
    if (!configure(context) || SSL_CTX_use_certificate_chain_file(context, t->path) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, t->path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return unusable(context, e);
    tls_server_take_context(t, context);
    return 0;
}

int tls_server_open(const char *dir, const char *hostname, const char *address, struct tls_server **ret,
                    struct err *e)
{
    struct tls_server *t = mem_zalloc(sizeof(*t));
    if (asprintf(&t->path, "%s/server.pem", dir) < 0)
        mem_abort();
    int r = access(t->path, F_OK) == 0 ? 0 : create(dir, t->path, hostname, address, e);
    if (r == 0)
        r = tls_server_reload(t, e);
    if (r < 0)
        tls_server_free(t);
    else
        *ret = t;
    return r;
}

SSL_CTX *tls_server_context(struct tls_server *t)
{
    return t->context;
}

void tls_server_free(struct tls_server *t)
{
    if (t == NULL)
        return;
    tls_server_set_named_context(t, NULL, NULL);
    SSL_CTX_free(t->context);
    free(t->path);
    free(t);
}

const char *tls_server_path(const struct tls_server *t)
{
    return t->path;
}

X509 *tls_server_certificate(struct tls_server *t)
{
    return SSL_CTX_get0_certificate(t->context);
}
