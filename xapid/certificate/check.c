#include "xapid/certificate/check.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include "model/errors.gen.h"
#include "rpc/pem.h"
#include "rpc/x509.h"

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 4096 };

void server_certificate_free(struct server_certificate *c)
{
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    sk_X509_pop_free(c->chain, X509_free);
    *c = (struct server_certificate){0};
}

/* ---- the time ---- */

struct moment {
    char text[32];
};

/* As these errors have it: 2026-11-29T10:00:00Z. */
static struct moment moment_of(int64_t seconds)
{
    struct moment m;
    time_t when = (time_t)seconds;
    struct tm t;
    gmtime_r(&when, &t);
    strftime(m.text, sizeof m.text, "%Y-%m-%dT%H:%M:%SZ", &t);
    return m;
}

typedef int moment_error(struct err *e, const char *now, const char *other);

static int check_time(X509 *cert, int64_t now, moment_error *expired, moment_error *too_early, struct err *e)
{
    struct x509_facts f;
    x509_facts(cert, &f);
    if (now < f.not_before)
        return too_early(e, moment_of(now).text, moment_of(f.not_before).text);
    if (now > f.not_after)
        return expired(e, moment_of(now).text, moment_of(f.not_after).text);
    return 0;
}

/* ---- the key ---- */

static int refuse_algorithm(const EVP_PKEY *key, struct err *e)
{
    char oid[80] = "";
    ASN1_OBJECT *object = OBJ_nid2obj(EVP_PKEY_get_base_id(key));
    if (object)
        OBJ_obj2txt(oid, sizeof oid, object, 1);
    return err_server_certificate_key_algorithm_not_supported(e, oid);
}

static int check_rsa(const EVP_PKEY *key, struct err *e)
{
    BIGNUM *third = NULL;
    char text[16];
    int bits = EVP_PKEY_get_bits(key);
    bool more = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_FACTOR3, &third) == 1;
    BN_clear_free(third);
    ERR_clear_error();
    if (more)
        return err_server_certificate_key_rsa_multi_not_supported(e);
    snprintf(text, sizeof text, "%d", bits);
    return bits < RSA_MIN_BITS || bits > RSA_MAX_BITS
               ? err_server_certificate_key_rsa_length_not_supported(e, text)
               : 0;
}

static int check_ec(const EVP_PKEY *key, struct err *e)
{
    char group[64] = "";
    (void)EVP_PKEY_get_group_name(key, group, sizeof group, NULL);
    bool known = strcmp(group, SN_X9_62_prime256v1) == 0 || strcmp(group, SN_secp384r1) == 0 ||
                 strcmp(group, SN_secp521r1) == 0;
    return known ? 0 : refuse_algorithm(key, e);
}

/* Do its numbers belong together? One that was tampered with would only fail in clients' handshakes. */
static bool is_sound(EVP_PKEY *key)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool sound = c && EVP_PKEY_pairwise_check(c) == 1;
    EVP_PKEY_CTX_free(c);
    ERR_clear_error();
    return sound;
}

static int check_key(EVP_PKEY *key, struct err *e)
{
    int kind = EVP_PKEY_get_base_id(key);
    int r = kind == EVP_PKEY_RSA  ? check_rsa(key, e)
            : kind == EVP_PKEY_EC ? check_ec(key, e)
                                  : refuse_algorithm(key, e);
    return r == 0 && !is_sound(key) ? err_server_certificate_key_invalid(e) : r;
}

/* ---- certificate and chain ---- */

static bool has_sha2_signature(X509 *cert)
{
    int digest = NID_undef;
    if (X509_get_signature_info(cert, &digest, NULL, NULL, NULL) != 1)
        return false;
    return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

static bool was_issued_by(X509 *cert, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool yes = X509_check_issued(issuer, cert) == X509_V_OK && key && X509_verify(cert, key) == 1;
    ERR_clear_error();
    return yes;
}

static int read_chain(const char *text, X509 *cert, STACK_OF(X509) * *ret, struct err *e)
{
    STACK_OF(X509) *chain = pem_read_certificates(text);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (was_issued_by(cert, sk_X509_value(chain, i))) {
            *ret = chain;
            return 0;
        }
    }
    sk_X509_pop_free(chain, X509_free);
    return err_server_certificate_chain_invalid(e);
}

static int read_all(const char *cert, const char *key, const char *chain, int64_t now,
                    struct server_certificate *c, struct err *e)
{
    if (!(c->key = pem_read_key(key)))
        return err_server_certificate_key_invalid(e);
    if (check_key(c->key, e) < 0)
        return -1;
    if (!(c->cert = pem_read_certificate(cert)))
        return err_server_certificate_invalid(e);
    if (check_time(c->cert, now, err_server_certificate_expired, err_server_certificate_not_valid_yet, e) < 0)
        return -1;
    if (X509_check_private_key(c->cert, c->key) != 1)
        return err_server_certificate_key_mismatch(e);
    if (!has_sha2_signature(c->cert))
        return err_server_certificate_signature_not_supported(e);
    return *chain ? read_chain(chain, c->cert, &c->chain, e) : 0;
}

int server_certificate_read(const char *cert, const char *key, const char *chain, int64_t now,
                            struct server_certificate *ret, struct err *e)
{
    *ret = (struct server_certificate){0};
    int r = read_all(cert, key, chain, now, ret, e);
    if (r < 0)
        server_certificate_free(ret);
    ERR_clear_error();
    return r;
}

struct faults {
    int (*invalid)(struct err *e);
    moment_error *expired, *too_early;
};

static int read_trusted(const char *text, int64_t now, const struct faults *f, X509 **ret, struct err *e)
{
    X509 *cert = pem_read_certificate(text);
    if (!cert)
        return f->invalid(e);
    if (check_time(cert, now, f->expired, f->too_early, e) < 0) {
        X509_free(cert);
        return -1;
    }
    *ret = cert;
    return 0;
}

int ca_certificate_read(const char *text, int64_t now, X509 **ret, struct err *e)
{
    static const struct faults faults = {err_ca_certificate_invalid, err_ca_certificate_expired,
                                         err_ca_certificate_not_valid_yet};
    return read_trusted(text, now, &faults, ret, e);
}

int trusted_certificate_read(const char *text, int64_t now, X509 **ret, struct err *e)
{
    static const struct faults faults = {err_trusted_certificate_invalid, err_trusted_certificate_expired,
                                         err_trusted_certificate_not_valid_yet};
    return read_trusted(text, now, &faults, ret, e);
}
