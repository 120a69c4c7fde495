#include "rpc/x509.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include "lib/cleanup.h"
#include "lib/mem.h"

enum { VALID_DAYS = 3650 };

int x509_error(struct err *e, const char *what)
{
    char text[160] = "";
    ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
    ERR_clear_error();
    return err_internal(e, "%s: %s", what, text);
}

/* ---- what a certificate says ---- */

static int64_t seconds(const ASN1_TIME *time)
{
    struct tm t = {0};
    return ASN1_TIME_to_tm(time, &t) == 1 ? (int64_t)timegm(&t) : 0;
}

static void fingerprint(X509 *cert, const EVP_MD *kind, char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    *text = '\0';
    if (X509_digest(cert, kind, digest, &n) != 1)
        return;
    for (unsigned i = 0; i < n; i++)
        text += sprintf(text, i > 0 ? ":%02X" : "%02X", digest[i]);
}

void x509_facts(X509 *cert, struct x509_facts *ret)
{
    *ret = (struct x509_facts){.not_before = seconds(X509_get0_notBefore(cert)),
                               .not_after = seconds(X509_get0_notAfter(cert))};
    fingerprint(cert, EVP_sha256(), ret->sha256);
    fingerprint(cert, EVP_sha1(), ret->sha1);
}

char *x509_pem(void *ctx, X509 *cert)
{
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1)
        mem_abort();
    long n = BIO_get_mem_data(bio, &text);
    char *copy = talloc_strndup(ctx, text, (size_t)n);
    BIO_free(bio);
    return copy;
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

int x509_make(const char *hostname, const char *address, EVP_PKEY **ret_key, X509 **ret_cert, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key != NULL ? make_certificate(key, hostname, address) : NULL;
    if (cert == NULL) {
        EVP_PKEY_free(key);
        return x509_error(e, "cannot make a certificate");
    }
    *ret_key = key;
    *ret_cert = cert;
    return 0;
}

/* ---- files ---- */

static bool write_pem(int fd, EVP_PKEY *key, X509 *cert, STACK_OF(X509) * chain)
{
    FILE *f = fdopen(fd, "w");
    if (f == NULL) {
        close(fd);
        return false;
    }
    bool ok =
        PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_X509(f, cert) == 1;
    for (int i = 0; ok && i < sk_X509_num(chain); i++)
        ok = PEM_write_X509(f, sk_X509_value(chain, i)) == 1;
    ok = fflush(f) == 0 && fsync(fd) == 0 && ok;
    return fclose(f) == 0 && ok;
}

static void sync_folder_of(const char *path)
{
    CLEANUP_TALLOC char *dir = talloc_strndup(NULL, path, (size_t)(strrchr(path, '/') - path));
    CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        fsync(fd);
}

int x509_store(const char *path, EVP_PKEY *key, X509 *cert, STACK_OF(X509) * chain, struct err *e)
{
    CLEANUP_TALLOC char *half = talloc_asprintf(NULL, "%s.new", path);
    if (half == NULL)
        mem_abort();
    unlink(half);
    errno = 0;
    int fd = open(half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !write_pem(fd, key, cert, chain) || rename(half, path) < 0) {
        int saved = errno != 0 ? errno : EIO;
        unlink(half);
        return err_errno(e, -saved, "cannot write %s", path);
    }
    sync_folder_of(path);
    return 0;
}
