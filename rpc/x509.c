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

enum { VALID_DAYS = 3650, EARLY_S = 24 * 3600 };

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

/* ---- PEM ---- */

static BIO *memory_bio(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        mem_abort();
    return bio;
}

/* What was written to bio, which is freed. */
static char *take_text(void *ctx, BIO *bio, bool written)
{
    char *text;
    if (!written)
        mem_abort();
    long n = BIO_get_mem_data(bio, &text);
    char *copy = talloc_strndup(ctx, text, (size_t)n);
    BIO_free(bio);
    return copy;
}

char *x509_pem(void *ctx, X509 *cert)
{
    BIO *bio = memory_bio();
    return take_text(ctx, bio, PEM_write_bio_X509(bio, cert) == 1);
}

char *x509_key_pem(void *ctx, EVP_PKEY *key)
{
    BIO *bio = memory_bio();
    return take_text(ctx, bio, PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
}

char *x509_request_pem(void *ctx, X509_REQ *request)
{
    BIO *bio = memory_bio();
    return take_text(ctx, bio, PEM_write_bio_X509_REQ(bio, request) == 1);
}

/* ---- making a certificate ---- */

static bool add_extension(X509 *cert, X509 *issuer, const struct x509_extension *wanted)
{
    X509V3_CTX v3;
    X509V3_set_ctx_nodb(&v3);
    X509V3_set_ctx(&v3, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &v3, wanted->nid, wanted->value);
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

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return value == NULL || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                       (const unsigned char *)value, -1, -1, 0) == 1;
}

bool x509_name_set(X509_NAME *name, const char *common_name, const char *organization)
{
    return add_name(name, "O", organization) && add_name(name, "CN", common_name);
}

static bool set_names(X509 *cert, X509 *issuer, const struct x509_plan *plan)
{
    return x509_name_set(X509_get_subject_name(cert), plan->common_name, plan->organization) &&
           X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1;
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

static bool set_validity(X509 *cert, const struct x509_plan *plan)
{
    long early = plan->early_s > 0 ? plan->early_s : EARLY_S;
    int days = plan->valid_days > 0 ? plan->valid_days : VALID_DAYS;
    return X509_gmtime_adj(X509_getm_notBefore(cert), -early) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) != NULL;
}

static bool fill(X509 *cert, const struct x509_plan *plan)
{
    X509 *issuer = plan->issuer != NULL ? plan->issuer : cert;
    bool ok = X509_set_version(cert, 2) == 1 && set_serial(cert) && set_validity(cert, plan) &&
              X509_set_pubkey(cert, plan->key) == 1 && set_names(cert, issuer, plan);
    for (const struct x509_extension *x = plan->extensions; ok && x->value != NULL; x++)
        ok = add_extension(cert, issuer, x);
    return ok && X509_sign(cert, plan->issuer_key, EVP_sha256()) > 0;
}

int x509_issue(const struct x509_plan *plan, X509 **ret, struct err *e)
{
    X509 *cert = X509_new();
    if (cert == NULL)
        mem_abort();
    if (!fill(cert, plan)) {
        X509_free(cert);
        return x509_error(e, "cannot make a certificate");
    }
    *ret = cert;
    return 0;
}

int x509_make(const char *hostname, const char *address, EVP_PKEY **ret_key, X509 **ret_cert, struct err *e)
{
    CLEANUP_TALLOC char *names = talloc_asprintf(NULL, "DNS:localhost,DNS:%s", hostname);
    if (is_ip(address))
        names = talloc_asprintf_append(names, ",IP:%s", address);
    if (names == NULL)
        mem_abort();
    const struct x509_extension extensions[] = {{NID_subject_alt_name, names},
                                                {NID_basic_constraints, "critical,CA:TRUE"},
                                                {NID_subject_key_identifier, "hash"},
                                                {0}};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        return x509_error(e, "cannot make a key");
    struct x509_plan plan = {
        .common_name = hostname, .extensions = extensions, .key = key, .issuer_key = key};
    if (x509_issue(&plan, ret_cert, e) < 0) {
        EVP_PKEY_free(key);
        return -1;
    }
    *ret_key = key;
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
