#include "rpc/tls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include "lib/cleanup.h"
#include "lib/mem.h"

enum { VALID_DAYS = 3650 };

struct tls_server {
    char *path;
    SSL_CTX *context;
};

/* Fill e with what and OpenSSL's first complaint. */
static int ssl_error(struct err *e, const char *what)
{
    char text[160] = "";
    ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
    ERR_clear_error();
    return err_internal(e, "%s: %s", what, text);
}

/* ---- making a certificate ---- */

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX v3;
    X509V3_set_ctx_nodb(&v3);
    X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    if (extension == NULL)
        return false;
    bool ok = X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool is_ip(const char *text)
{
    unsigned char bytes[16];
    return text != NULL && (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1);
}

static bool set_names(X509 *cert, const char *hostname, const char *address)
{
    CLEANUP_TALLOC char *names = talloc_asprintf(NULL, "DNS:localhost,DNS:%s", hostname);
    if (is_ip(address))
        names = talloc_asprintf_append(names, ",IP:%s", address);
    if (names == NULL)
        mem_abort();
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)hostname, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 && add_extension(cert, NID_subject_alt_name, names) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(cert, NID_subject_key_identifier, "hash");
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok;
}

/* NULL when OpenSSL complains. */
static X509 *make_certificate(EVP_PKEY *key, const char *hostname, const char *address)
{
    X509 *cert = X509_new();
    if (cert == NULL)
        return NULL;
    /* A day back, for clients whose clock is a little behind. */
    bool ok = X509_set_version(cert, 2) == 1 && set_serial(cert) &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -24 * 3600) != NULL &&
              X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, NULL) != NULL &&
              X509_set_pubkey(cert, key) == 1 && set_names(cert, hostname, address) &&
              X509_sign(cert, key, EVP_sha256()) > 0;
    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool write_pem(const char *path, EVP_PKEY *key, X509 *cert)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_X509(f, cert) == 1;
    ok = fflush(f) == 0 && fsync(fd) == 0 && ok;
    return fclose(f) == 0 && ok;
}

static void sync_directory(const char *dir)
{
    CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        fsync(fd);
}

/* Whole under its name, or not there at all. */
static int store(const char *dir, const char *path, EVP_PKEY *key, X509 *cert, struct err *e)
{
    CLEANUP_TALLOC char *half = talloc_asprintf(NULL, "%s.new", path);
    if (half == NULL)
        mem_abort();
    unlink(half);
    errno = 0;
    if (!write_pem(half, key, cert) || rename(half, path) < 0) {
        int saved = errno != 0 ? errno : EIO;
        unlink(half);
        return err_errno(e, -saved, "cannot write %s", path);
    }
    sync_directory(dir);
    return 0;
}

static int create(const char *dir, const char *path, const char *hostname, const char *address, struct err *e)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_errno(e, -errno, "cannot make %s", dir);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key != NULL ? make_certificate(key, hostname, address) : NULL;
    int r = cert != NULL ? store(dir, path, key, cert, e) : ssl_error(e, "cannot make a certificate");
    X509_free(cert);
    EVP_PKEY_free(key);
    return r;
}

/* ---- contexts ---- */

static bool configure(SSL_CTX *c, const char *path)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_num_tickets(c, 1);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set_session_id_context(c, (const unsigned char *)"xapid", 5) == 1 &&
           SSL_CTX_use_certificate_chain_file(c, path) == 1 &&
           SSL_CTX_use_PrivateKey_file(c, path, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(c) == 1;
}

int tls_server_reload(struct tls_server *t, struct err *e)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL)
        mem_abort();
    if (!configure(context, t->path)) {
        SSL_CTX_free(context);
        return ssl_error(e, "the certificate and key cannot be used");
    }
    SSL_CTX_free(t->context);
    t->context = context;
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
    SSL_CTX_free(t->context);
    free(t->path);
    free(t);
}

const char *tls_server_fingerprint(void *ctx, struct tls_server *t)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    X509 *cert = SSL_CTX_get0_certificate(t->context);
    if (cert == NULL || X509_digest(cert, EVP_sha256(), digest, &n) != 1)
        return "";
    char *text = talloc_strdup(ctx, "");
    for (unsigned i = 0; i < n; i++)
        text = talloc_asprintf_append(text, "%s%02X", i > 0 ? ":" : "", digest[i]);
    return text;
}
