/* The pool's authority: made, loaded, replaced as a whole, and what it refuses to sign. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "pool/authority.h"
#include "pool/folder.h"
#include "rpc/pem.h"
#include "rpc/x509.h"
#include "tests/in_fiber.h"

#define POOL "11111111-2222-4333-8444-555555555555"
#define OTHER_POOL "99999999-2222-4333-8444-555555555555"
#define HOST "aaaaaaaa-2222-4333-8444-555555555555"
#define JOINER "bbbbbbbb-2222-4333-8444-555555555555"

static char dir[64];
static void *mem;
static struct err error;

static void set_up(void)
{
    strcpy(dir, "/tmp/xapid-authority.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    mem = talloc_new(NULL);
}

static void tear_down(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    talloc_free(mem);
    err_clear(&error);
}

static struct authority *open_ok(const char *pool, const char *host)
{
    struct authority *a = NULL;
    int r = authority_open(dir, pool, host, &a, &error);
    ck_assert_msg(r == 0, "%s", err_text(mem, &error));
    return a;
}

static void ck_refused(int r, const char *why)
{
    ck_assert_int_lt(r, 0);
    ck_assert_str_eq(error.code, "INVALID_VALUE");
    ck_assert_str_eq(error.params[1], why);
    err_clear(&error);
}

static char *path_of(const char *name)
{
    return talloc_asprintf(mem, "%s/pool/%s", dir, name);
}

/* ---- files ---- */

START_TEST(it_is_made_once_and_loaded_from_then_on)
{
    struct authority *first = open_ok(POOL, HOST), *second = open_ok(POOL, HOST);
    struct stat s;
    char link[64] = "";

    ck_assert_str_eq(authority_export(first).ca_cert, authority_export(second).ca_cert);
    ck_assert_str_eq(authority_export(first).key, authority_export(second).key);
    ck_assert_str_eq(authority_pool(second), POOL);
    ck_assert_str_eq(authority_host(second), HOST);
    ck_assert_int_eq(stat(path_of("ca-key.pem"), &s), 0);
    ck_assert_uint_eq(s.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(path_of(""), &s), 0);
    ck_assert_uint_eq(s.st_mode & 07777, 0700);
    ck_assert_int_gt(readlink(path_of("client-key.pem"), link, sizeof link - 1), 0);
    ck_assert_str_eq(link, "server-key.pem");
    authority_free(first);
    authority_free(second);
}
END_TEST

START_TEST(the_certificate_of_a_host_says_who_it_is)
{
    struct authority *a = open_ok(POOL, HOST);
    X509 *cert = pem_read_certificate(authority_export(a).cert);
    X509 *ca = pem_read_certificate(authority_export(a).ca_cert);
    char text[64];

    ck_assert_int_eq(X509_check_host(cert, HOST, 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_host(cert, JOINER, 0, 0, NULL), 0);
    ck_assert_int_gt(
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_organizationName, text, sizeof text), 0);
    ck_assert_str_eq(text, POOL);
    ck_assert_int_eq(X509_check_ca(cert), 0);
    ck_assert_int_eq(X509_check_ca(ca), 1);
    ck_assert_int_eq(X509_verify(cert, X509_get0_pubkey(ca)), 1);
    X509_free(cert);
    X509_free(ca);
    authority_free(a);
}
END_TEST

START_TEST(files_of_another_pool_or_host_or_damaged_ones_are_refused)
{
    struct authority *a = NULL;
    int fd;

    authority_free(open_ok(POOL, HOST));
    ck_refused(authority_open(dir, OTHER_POOL, HOST, &a, &error), "it is of another pool or host");
    ck_refused(authority_open(dir, POOL, JOINER, &a, &error), "it is of another pool or host");
    fd = open(path_of("server-key.pem"), O_WRONLY);
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    ck_refused(authority_open(dir, POOL, HOST, &a, &error), "a certificate or key cannot be read");
    ck_assert_int_eq(ftruncate(fd, POOL_FILE_MAX + 1), 0);
    ck_assert_int_lt(authority_open(dir, POOL, HOST, &a, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.params[0], "too large"));
    err_clear(&error);
    close(fd);
    ck_assert_int_eq(unlink(path_of("server-key.pem")), 0);
    ck_assert_int_lt(authority_open(dir, POOL, HOST, &a, &error), 0);
    ck_assert_ptr_null(a);
}
END_TEST

/* ---- joining ---- */

START_TEST(a_joiner_gets_a_certificate_and_takes_over_all_files)
{
    struct authority *pool = open_ok(POOL, HOST), *joined;
    struct authority_files f = authority_export(pool);
    char *key, *request, *cert;

    ck_assert_int_eq(authority_request(mem, POOL, JOINER, &key, &request, &error), 0);
    ck_assert_int_eq(authority_sign(pool, mem, request, JOINER, &cert, &error), 0);
    f.cert = cert;
    f.key = key;
    ck_assert_int_eq(authority_install(dir, POOL, JOINER, &f, "role = member\n", &error), 0);
    joined = open_ok(POOL, JOINER);
    ck_assert_str_eq(authority_export(joined).ca_key, f.ca_key);
    ck_assert_str_eq(authority_export(joined).cert, cert);
    ck_assert_str_eq(pool_folder_read(mem, dir, "membership"), "role = member\n");
    ck_assert_int_eq(authority_install(dir, POOL, JOINER, &f, NULL, &error), 0);
    ck_assert_str_eq(pool_folder_read(mem, dir, "membership"), "role = member\n");
    authority_free(pool);
    authority_free(joined);
}
END_TEST

START_TEST(a_visitor_is_welcome_for_a_month)
{
    struct authority *a = open_ok(POOL, HOST);
    char *key, *request, *cert;
    struct x509_facts f;
    int64_t now = clock_wall();

    ck_assert_int_eq(authority_request(mem, AUTHORITY_VISITOR, JOINER, &key, &request, &error), 0);
    ck_assert_int_eq(authority_sign_visitor(a, mem, request, JOINER, &cert, &error), 0);
    X509 *read = pem_read_certificate(cert);
    x509_facts(read, &f);
    X509_free(read);
    ck_assert_int_ge(f.not_before, now - 3600 - 1);
    ck_assert_int_le(f.not_before, clock_wall() - 3600);
    ck_assert_int_ge(f.not_after, now + 30 * 24 * 3600 - 1);
    ck_assert_int_le(f.not_after, clock_wall() + 30 * 24 * 3600);
    read = pem_read_certificate(authority_export(a).cert);
    x509_facts(read, &f);
    X509_free(read);
    ck_assert_int_gt(f.not_after, now + (int64_t)3649 * 24 * 3600);
    authority_free(a);
}
END_TEST

START_TEST(files_that_do_not_belong_together_are_not_installed)
{
    struct authority *a = open_ok(POOL, HOST);
    struct authority_files f = authority_export(a), mixed = f;
    char *key, *request, *cert;

    ck_assert_int_eq(authority_request(mem, POOL, JOINER, &key, &request, &error), 0);
    mixed.key = key;
    ck_refused(authority_install(dir, POOL, HOST, &mixed, NULL, &error), "a key is of another certificate");
    mixed = f;
    mixed.ca_cert = f.cert;
    mixed.ca_key = f.key;
    ck_refused(authority_install(dir, POOL, HOST, &mixed, NULL, &error),
               "the pool has not issued the host's certificate");
    mixed = f;
    mixed.cert = request;
    ck_refused(authority_install(dir, POOL, HOST, &mixed, NULL, &error),
               "a certificate or key cannot be read");
    ck_assert_int_eq(authority_sign(a, mem, request, JOINER, &cert, &error), 0);
    authority_free(a);
    authority_free(open_ok(POOL, HOST));
}
END_TEST

/* ---- hostile requests ---- */

static EVP_PKEY *key_of(const char *pem)
{
    EVP_PKEY *key = pem_read_key(pem);
    ck_assert_ptr_nonnull(key);
    return key;
}

/* A request as a test wants it. */
struct wish {
    EVP_PKEY *key, *signer;
    const char *pool, *host, *more_name; /* a second CN */
    const char *extension;               /* a subjectAltName */
};

static char *request_of(const struct wish *w)
{
    X509_REQ *r = X509_REQ_new();
    X509_NAME *name = X509_REQ_get_subject_name(r);

    ck_assert(X509_REQ_set_pubkey(r, w->key) == 1 && x509_name_set(name, w->host, w->pool));
    if (w->more_name)
        ck_assert(x509_name_set(name, w->more_name, NULL));
    if (w->extension) {
        STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
        sk_X509_EXTENSION_push(all, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, w->extension));
        ck_assert_int_eq(X509_REQ_add_extensions(r, all), 1);
        sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    }
    ck_assert_int_gt(X509_REQ_sign(r, w->signer, EVP_sha256()), 0);
    char *pem = x509_request_pem(mem, r);
    X509_REQ_free(r);
    return pem;
}

START_TEST(requests_for_anything_else_are_refused)
{
    struct authority *a = open_ok(POOL, HOST);
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384");
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    static const char someone_else[] = "it is for somebody else";
    static const char wrong_key[] = "its key is none on P-256";
    struct {
        struct wish wish;
        const char *why;
    } cases[] = {
        {{key, other, POOL, JOINER}, "its signature does not verify"},
        {{p384, p384, POOL, JOINER}, wrong_key},
        {{rsa, rsa, POOL, JOINER}, wrong_key},
        {{key, key, POOL, HOST}, someone_else},
        {{key, key, OTHER_POOL, JOINER}, someone_else},
        {{key, key, NULL, JOINER}, someone_else},
        {{key, key, POOL, NULL}, someone_else},
        {{key, key, POOL, JOINER, HOST}, someone_else},
        {{key, key, POOL, JOINER, NULL, "DNS:" HOST}, "it asks for more than a name"},
    };
    char *cert = NULL;

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_refused(authority_sign(a, mem, request_of(&cases[i].wish), JOINER, &cert, &error), cases[i].why);
    ck_assert_int_eq(
        authority_sign(a, mem, request_of(&(struct wish){key, key, POOL, JOINER}), JOINER, &cert, &error), 0);
    ck_refused(authority_sign(a, mem, cert, JOINER, &cert, &error), "it cannot be read");
    ck_refused(authority_sign(a, mem, "", JOINER, &cert, &error), "it cannot be read");
    ck_refused(authority_sign(a, mem, request_of(&(struct wish){key, key, POOL, "x"}), "x", &cert, &error),
               "no host's uuid");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(rsa);
    authority_free(a);
}
END_TEST

/* A request cut anywhere or with any byte changed is refused; the certificate is in any case of the key that
 * signed it and of the name that was given. */
START_TEST(damaged_requests_are_refused)
{
    struct authority *a = open_ok(POOL, HOST);
    char *key, *request, *cert = NULL;
    unsigned taken = 0;

    ck_assert_int_eq(authority_request(mem, POOL, JOINER, &key, &request, &error), 0);
    size_t n = strlen(request);
    for (size_t at = 0; at + 2 < n; at++) {
        char *changed = talloc_strdup(mem, request);
        changed[at] = (char)(changed[at] ^ 1);
        taken += authority_sign(a, mem, changed, JOINER, &cert, &error) == 0;
        err_clear(&error);
        changed[at] = '\0';
        ck_assert_int_lt(authority_sign(a, mem, changed, JOINER, &cert, &error), 0);
        err_clear(&error);
    }
    /* Only where the change is not in the request itself: bits of base64 that are left over. */
    ck_assert_uint_le(taken, 4);
    char *twice = talloc_asprintf(mem, "%s%s", request, request);
    ck_refused(authority_sign(a, mem, twice, JOINER, &cert, &error), "it cannot be read");
    EVP_PKEY_free(key_of(key));
    authority_free(a);
}
END_TEST

/* ---- crashes ---- */

START_TEST(a_replacement_that_fails_leaves_the_old_folder)
{
    struct authority *a = open_ok(POOL, HOST);
    struct authority_files f = authority_export(a);
    char *left = talloc_asprintf(mem, "%s/pool.new", dir);

    fault_arm(FAULT_STORAGE, 1);
    ck_assert_int_lt(authority_install(dir, POOL, HOST, &f, "new", &error), 0);
    fault_disarm();
    ck_assert_ptr_null(pool_folder_read(mem, dir, "membership"));
    ck_assert_int_lt(access(left, F_OK), 0);
    authority_free(a);
    authority_free(open_ok(POOL, HOST));
}
END_TEST

/* Killed again and again while it replaces the folder: whatever is there is whole. */
START_TEST(a_kill_at_any_moment_leaves_a_whole_folder)
{
    struct authority *a = open_ok(POOL, HOST);
    struct authority_files f = authority_export(a);

    for (unsigned round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (unsigned i = 0;; i++)
                authority_install(dir, POOL, HOST, &f, i % 2 ? "odd" : "even", &error);
        }
        usleep(1000 + round * 300);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        char *membership = pool_folder_read(mem, dir, "membership");
        ck_assert(!membership || strcmp(membership, "odd") == 0 || strcmp(membership, "even") == 0);
        authority_free(open_ok(POOL, HOST));
        ck_assert_int_lt(access(talloc_asprintf(mem, "%s/pool.new", dir), F_OK), 0);
    }
    authority_free(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("authority");
    TCase *t = tcase_create("authority");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, it_is_made_once_and_loaded_from_then_on);
    tcase_add_test(t, the_certificate_of_a_host_says_who_it_is);
    tcase_add_test(t, files_of_another_pool_or_host_or_damaged_ones_are_refused);
    tcase_add_test(t, a_joiner_gets_a_certificate_and_takes_over_all_files);
    tcase_add_test(t, a_visitor_is_welcome_for_a_month);
    tcase_add_test(t, files_that_do_not_belong_together_are_not_installed);
    tcase_add_test(t, requests_for_anything_else_are_refused);
    tcase_add_test(t, damaged_requests_are_refused);
    tcase_add_test(t, a_replacement_that_fails_leaves_the_old_folder);
    tcase_add_test(t, a_kill_at_any_moment_leaves_a_whole_folder);
    suite_add_tcase(s, t);
    return run_suite(s);
}
