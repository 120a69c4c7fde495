/* Which certificates and keys are taken, and what each fault is called; PEM text that means harm. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "rpc/pem.h"
#include "rpc/x509.h"
#include "tests/in_fiber.h"
#include "xapid/certificate/check.h"

/* ---- making what clients would send ---- */

static char *taken(BIO *bio)
{
    char *bytes;
    long n = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)n);
    BIO_free(bio);
    return text;
}

static char *pem_of_key(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, (char *)"word", 4, NULL, NULL), 1);
    return taken(bio);
}

static char *pem_of(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_X509(bio, cert), 1);
    return taken(bio);
}

struct wish {
    const char *name, *issuer; /* issuer NULL: itself */
    EVP_PKEY *key, *by;        /* by NULL: itself */
    const EVP_MD *digest;      /* NULL: SHA-256 */
    int days_from, days_to;    /* from now; both 0: a day back, a year on */
};

static void set_name(X509_NAME *name, const char *text)
{
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0);
}

static X509 *make(const struct wish *w)
{
    X509 *cert = X509_new();
    bool usual = !w->days_from && !w->days_to;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_time_adj_ex(X509_getm_notBefore(cert), usual ? -1 : w->days_from, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(cert), usual ? 365 : w->days_to, 0, NULL);
    set_name(X509_get_subject_name(cert), w->name);
    set_name(X509_get_issuer_name(cert), w->issuer ? w->issuer : w->name);
    X509_set_pubkey(cert, w->key);
    const EVP_MD *digest = w->digest ? w->digest : EVP_sha256();
    int kind = EVP_PKEY_get_base_id(w->by ? w->by : w->key);
    ck_assert_int_gt(X509_sign(cert, w->by ? w->by : w->key, kind == EVP_PKEY_ED25519 ? NULL : digest), 0);
    return cert;
}

static EVP_PKEY *ec, *rsa;
static char *ec_key, *ec_cert, *rsa_key, *rsa_cert;

static char *made(const struct wish *w)
{
    X509 *cert = make(w);
    char *text = pem_of(cert);
    X509_free(cert);
    return text;
}

static void set_up(void)
{
    ec = EVP_EC_gen("P-256");
    rsa = EVP_RSA_gen(2048);
    ec_key = pem_of_key(ec, NULL);
    rsa_key = pem_of_key(rsa, NULL);
    ec_cert = made(&(struct wish){.name = "ec", .key = ec});
    rsa_cert = made(&(struct wish){.name = "rsa", .key = rsa});
}

static void tear_down(void)
{
    EVP_PKEY_free(ec);
    EVP_PKEY_free(rsa);
    free(ec_key);
    free(rsa_key);
    free(ec_cert);
    free(rsa_cert);
}

/* The error's code, or "good"; its last parameter in what. */
static char what[64];
static const char *verdict(const char *cert, const char *key, const char *chain)
{
    static char code[80];
    CLEANUP_ERR struct err e = {0};
    struct server_certificate c;
    int r = server_certificate_read(cert, key, chain, clock_wall(), &c, &e);
    ck_assert_int_eq(r < 0, err_is_set(&e));
    ck_assert(r == 0 || (!c.cert && !c.key && !c.chain));
    snprintf(code, sizeof code, "%s", r < 0 ? e.code : "good");
    snprintf(what, sizeof what, "%s", e.n_params > 0 ? e.params[e.n_params - 1] : "");
    server_certificate_free(&c);
    return code;
}

static const char *verdict_of_key(EVP_PKEY *key)
{
    CLEANUP_FREE char *text = pem_of_key(key, NULL), *cert = made(&(struct wish){.name = "x", .key = key});
    const char *code = verdict(cert, text, "");
    EVP_PKEY_free(key);
    return code;
}

/* ---- tests ---- */

START_TEST(sound_certificates_are_taken)
{
    ck_assert_str_eq(verdict(ec_cert, ec_key, ""), "good");
    ck_assert_str_eq(verdict(rsa_cert, rsa_key, ""), "good");
    CLEANUP_BUF struct buf b = {0};
    buf_printf(&b, "a note\r\n\n%s\nanother\n", ec_cert);
    ck_assert_str_eq(verdict(buf_cstr(&b), ec_key, ""), "good");
}
END_TEST

START_TEST(keys_of_the_wrong_strength_or_kind_are_named)
{
    ck_assert_str_eq(verdict_of_key(EVP_RSA_gen(1024)), "SERVER_CERTIFICATE_KEY_RSA_LENGTH_NOT_SUPPORTED");
    ck_assert_str_eq(what, "1024");
    ck_assert_str_eq(verdict_of_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")),
                     "SERVER_CERTIFICATE_KEY_ALGORITHM_NOT_SUPPORTED");
    ck_assert_str_eq(what, "1.3.101.112");
    ck_assert_str_eq(verdict_of_key(EVP_EC_gen("secp256k1")),
                     "SERVER_CERTIFICATE_KEY_ALGORITHM_NOT_SUPPORTED");
    ck_assert_str_eq(what, "1.2.840.10045.2.1");
    EVP_PKEY *multi = NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    ck_assert(EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(c, 2048) == 1 &&
              EVP_PKEY_CTX_set_rsa_keygen_primes(c, 3) == 1 && EVP_PKEY_keygen(c, &multi) == 1);
    EVP_PKEY_CTX_free(c);
    ck_assert_str_eq(verdict_of_key(multi), "SERVER_CERTIFICATE_KEY_RSA_MULTI_NOT_SUPPORTED");
}
END_TEST

START_TEST(keys_that_cannot_be_read_are_invalid)
{
    CLEANUP_FREE char *locked = pem_of_key(rsa, EVP_aes_128_cbc());
    ck_assert_ptr_nonnull(strstr(locked, "ENCRYPTED"));
    static const char *const bad[] = {"", "key", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
                                      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
    ck_assert_str_eq(verdict(rsa_cert, locked, ""), "SERVER_CERTIFICATE_KEY_INVALID");
    ck_assert_str_eq(verdict(rsa_cert, rsa_cert, ""), "SERVER_CERTIFICATE_KEY_INVALID");
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_str_eq(verdict(rsa_cert, bad[i], ""), "SERVER_CERTIFICATE_KEY_INVALID");
}
END_TEST

START_TEST(a_key_and_certificate_of_two_pairs_do_not_match)
{
    ck_assert_str_eq(verdict(rsa_cert, ec_key, ""), "SERVER_CERTIFICATE_KEY_MISMATCH");
    ck_assert_str_eq(verdict(ec_cert, rsa_key, ""), "SERVER_CERTIFICATE_KEY_MISMATCH");
}
END_TEST

START_TEST(only_the_present_counts)
{
    CLEANUP_FREE char *over = made(&(struct wish){.name = "x", .key = ec, .days_from = -9, .days_to = -2});
    CLEANUP_FREE char *early = made(&(struct wish){.name = "x", .key = ec, .days_from = 2, .days_to = 9});
    ck_assert_str_eq(verdict(over, ec_key, ""), "SERVER_CERTIFICATE_EXPIRED");
    ck_assert_uint_eq(strlen(what), strlen("2026-11-29T10:00:00Z"));
    ck_assert_str_eq(verdict(early, ec_key, ""), "SERVER_CERTIFICATE_NOT_VALID_YET");
    CLEANUP_ERR struct err e = {0};
    X509 *ca = NULL;
    ck_assert_int_lt(ca_certificate_read(over, clock_wall(), &ca, &e), 0);
    ck_assert_str_eq(e.code, "CA_CERTIFICATE_EXPIRED");
    err_clear(&e);
    ck_assert_int_lt(ca_certificate_read(early, clock_wall(), &ca, &e), 0);
    ck_assert_str_eq(e.code, "CA_CERTIFICATE_NOT_VALID_YET");
    err_clear(&e);
    ck_assert_int_lt(ca_certificate_read(ec_key, clock_wall(), &ca, &e), 0);
    ck_assert_str_eq(e.code, "CA_CERTIFICATE_INVALID");
}
END_TEST

START_TEST(weak_signatures_are_refused)
{
    CLEANUP_FREE char *weak = made(&(struct wish){.name = "x", .key = rsa, .digest = EVP_sha1()});
    CLEANUP_FREE char *strong = made(&(struct wish){.name = "x", .key = rsa, .digest = EVP_sha512()});
    ck_assert_str_eq(verdict(weak, rsa_key, ""), "SERVER_CERTIFICATE_SIGNATURE_NOT_SUPPORTED");
    ck_assert_str_eq(verdict(strong, rsa_key, ""), "good");
}
END_TEST

START_TEST(a_chain_holds_the_issuer)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-384");
    CLEANUP_FREE char *ca = made(&(struct wish){.name = "ca", .key = ca_key});
    CLEANUP_FREE char *leaf = made(&(struct wish){.name = "leaf", .issuer = "ca", .key = rsa, .by = ca_key});
    CLEANUP_BUF struct buf two = {0};
    CLEANUP_BUF struct buf many = {0};
    buf_printf(&two, "%s%s", ec_cert, ca);
    for (int i = 0; i < PEM_CERTIFICATES_MAX + 1; i++)
        buf_add_str(&many, ca);
    ck_assert_str_eq(verdict(leaf, rsa_key, ca), "good");
    ck_assert_str_eq(verdict(leaf, rsa_key, buf_cstr(&two)), "good");
    ck_assert_str_eq(verdict(leaf, rsa_key, ec_cert), "SERVER_CERTIFICATE_CHAIN_INVALID");
    ck_assert_str_eq(verdict(leaf, rsa_key, "chain"), "SERVER_CERTIFICATE_CHAIN_INVALID");
    ck_assert_str_eq(verdict(leaf, rsa_key, buf_cstr(&many)), "SERVER_CERTIFICATE_CHAIN_INVALID");
    ck_assert_str_eq(verdict(buf_cstr(&two), ec_key, ""), "SERVER_CERTIFICATE_INVALID");
    EVP_PKEY_free(ca_key);
}
END_TEST

/* A certificate cut anywhere, or with any byte changed, is refused or, at worst, another certificate. */
START_TEST(what_is_cut_or_changed_is_refused_without_harm)
{
    size_t n = strlen(ec_cert);
    char *text = strdup(ec_cert);
    for (size_t cut = 0; cut + 1 < n; cut++) {
        text[cut] = '\0';
        ck_assert_ptr_null(pem_read_certificate(text));
        text[cut] = ec_cert[cut];
    }
    for (size_t at = 0; at < n; at++)
        for (int bit = 0; bit < 7; bit++) {
            text[at] = (char)(ec_cert[at] ^ (1 << bit));
            X509_free(pem_read_certificate(text));
            text[at] = ec_cert[at];
        }
    n = strlen(ec_key);
    for (size_t at = 0; at + 1 < n; at++) {
        char *key = strdup(ec_key);
        key[at] = (char)(ec_key[at] ^ 4);
        EVP_PKEY_free(pem_read_key(key));
        key[at] = '\0';
        ck_assert_ptr_null(pem_read_key(key));
        free(key);
    }
    free(text);
}
END_TEST

START_TEST(what_is_huge_nested_or_of_another_kind_is_refused)
{
    CLEANUP_BUF struct buf huge = {0};
    CLEANUP_BUF struct buf trailing = {0};
    CLEANUP_BUF struct buf zeros = {0};
    buf_add_str(&huge, "-----BEGIN CERTIFICATE-----\n");
    for (int i = 0; i < PEM_TEXT_MAX; i++)
        buf_add_str(&huge, "MIIB\n");
    ck_assert_ptr_null(pem_read_certificate(buf_cstr(&huge)));
    ck_assert_ptr_null(pem_read_certificates(buf_cstr(&huge)));
    ck_assert_ptr_null(pem_read_key(buf_cstr(&huge)));
    ck_assert_ptr_null(pem_read_crl(buf_cstr(&huge)));
    buf_printf(&trailing, "%s%s", ec_cert, ec_key);
    ck_assert_ptr_null(pem_read_certificate(buf_cstr(&trailing)));
    ck_assert_ptr_null(pem_read_certificates(buf_cstr(&trailing)));
    ck_assert_ptr_null(pem_read_certificate(ec_key));
    ck_assert_ptr_null(pem_read_crl(ec_cert));
    buf_add_str(&zeros, "-----BEGIN CERTIFICATE-----\n");
    for (int i = 0; i < 1000; i++)
        buf_add_str(&zeros, "MIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCA\n");
    buf_add_str(&zeros, "-----END CERTIFICATE-----\n");
    ck_assert_ptr_null(pem_read_certificate(buf_cstr(&zeros)));
    ck_assert_ptr_null(pem_read_certificate("\xff\xfe\x80-----BEGIN CERTIFICATE-----\n\xff\n"));
}
END_TEST

START_TEST(a_certificate_made_here_is_one_we_take)
{
    EVP_PKEY *key;
    X509 *cert;
    CLEANUP_ERR struct err e = {0};
    ck_assert_int_eq(x509_make("host", "fd00::1", &key, &cert, &e), 0);
    CLEANUP_FREE char *cert_text = pem_of(cert), *key_text = pem_of_key(key, NULL);
    struct x509_facts f;
    x509_facts(cert, &f);
    ck_assert_str_eq(verdict(cert_text, key_text, ""), "good");
    ck_assert_int_eq(X509_check_ip_asc(cert, "fd00::1", 0), 1);
    ck_assert_uint_eq(strlen(f.sha256), 95);
    ck_assert_uint_eq(strlen(f.sha1), 59);
    ck_assert_int_le(llabs(f.not_after - f.not_before - 3651LL * 24 * 3600), 2);
    X509_free(cert);
    EVP_PKEY_free(key);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("certificates");
    TCase *t = tcase_create("certificates");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_add_test(t, sound_certificates_are_taken);
    tcase_add_test(t, keys_of_the_wrong_strength_or_kind_are_named);
    tcase_add_test(t, keys_that_cannot_be_read_are_invalid);
    tcase_add_test(t, a_key_and_certificate_of_two_pairs_do_not_match);
    tcase_add_test(t, only_the_present_counts);
    tcase_add_test(t, weak_signatures_are_refused);
    tcase_add_test(t, a_chain_holds_the_issuer);
    tcase_add_test(t, what_is_cut_or_changed_is_refused_without_harm);
    tcase_add_test(t, what_is_huge_nested_or_of_another_kind_is_refused);
    tcase_add_test(t, a_certificate_made_here_is_one_we_take);
    suite_add_tcase(s, t);
    return run_suite(s);
}
