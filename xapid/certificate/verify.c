/* pool.enable_tls_verification and what it means. */
#include "xapid/certificate/verify.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "db/setters.gen.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/args.gen.h"
#include "rpc/pem.h"
#include "rpc/x509.h"
#include "xapid/call.h"
#include "xapid/certificate/store.h"
#include "xapid/certificate/trusted.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/pool/follow.h"

/* ---- is it on ---- */

static char *off_path(void *ctx, const struct xapid *x)
{
    return talloc_asprintf(ctx, "%s/tls/verification-off", x->options.state_dir);
}

bool verify_is_off(const struct xapid *x)
{
    CLEANUP_TALLOC char *path = off_path(NULL, x);

    return access(path, F_OK) == 0;
}

/* ---- the context ---- */

/* Fingerprints of pinned certificates; on a talloc context that the SSL context owns. */
struct pins {
    const struct set *all;
};

static void free_pins(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    talloc_free(ptr);
}

static int pins_index(void)
{
    static int index = -1;

    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pins);
    return index;
}

static int is_believed(X509_STORE_CTX *store, void *arg)
{
    const struct pins *pins = arg;
    struct x509_facts f;

    x509_facts(X509_STORE_CTX_get0_cert(store), &f);
    return set_has_string(pins->all, f.sha256) || X509_verify_cert(store) > 0;
}

/* An authority without a list has revoked nothing. */
static int without_list(int good, X509_STORE_CTX *store)
{
    return good || X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL;
}

typedef void take_file(const char *text, X509_STORE *store, struct pins *pins);

static void take_authority(const char *text, X509_STORE *store, struct pins *pins)
{
    X509 *cert = pem_read_certificate(text);

    if (cert)
        X509_STORE_add_cert(store, cert);
    X509_free(cert);
}

static void take_list(const char *text, X509_STORE *store, struct pins *pins)
{
    X509_CRL *list = pem_read_crl(text);

    if (list)
        X509_STORE_add_crl(store, list);
    X509_CRL_free(list);
}

static void take_pin(const char *text, X509_STORE *store, struct pins *pins)
{
    X509 *cert = pem_read_certificate(text);
    struct x509_facts f;

    if (!cert)
        return;
    x509_facts(cert, &f);
    pins->all = set_with_string(pins, pins->all, talloc_strdup(pins, f.sha256));
    X509_free(cert);
}

static void take_all(const struct xapid *x, const char *kind, take_file *take, X509_STORE *store,
                     struct pins *pins)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *folder = trusted_folder(mem, x, kind);
    const struct set *names;

    if (store_names(mem, folder, &names) < 0)
        return;
    for (uint32_t i = 0; i < set_count(names); i++) {
        const char *text = trusted_is_general(names->v[i].s) ? store_read(mem, folder, names->v[i].s) : NULL;
        if (text)
            take(text, store, pins);
    }
}

SSL_CTX *verify_servers(struct xapid *x)
{
    const struct pool *pool = db_pool(x->db, x->pool);

    if (!pool || !pool->tls_verification_enabled || verify_is_off(x))
        return NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct pins *pins = talloc_zero(NULL, struct pins);
    X509_STORE *store = context ? SSL_CTX_get_cert_store(context) : NULL;
    if (!store || !pins || SSL_CTX_set_ex_data(context, pins_index(), pins) != 1 ||
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        mem_abort();
    take_all(x, "ca", take_authority, store, pins);
    take_all(x, "pinned", take_pin, store, pins);
    take_all(x, "crl", take_list, store, pins);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_set_verify_cb(store, without_list);
    SSL_CTX_set_cert_verify_callback(context, is_believed, pins);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

/* ---- messages ---- */

int co_pool_enable_tls_verification(struct call *c, const struct pool_enable_tls_verification_args *a,
                                    struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (co_op_begin(c, CLASS_POOL, c->x->pool, POOL_ALLOWED_OPERATIONS_TLS_VERIFICATION_ENABLE, &op, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    pool_set_tls_verification_enabled(t, db_pool(c->db, c->x->pool), true);
    DB_FOREACH_HOST (c->db, host)
        host_set_tls_verification_enabled(t, host,
                                          !ref_equal(host->row.ref, c->x->host) || !verify_is_off(c->x));
    return db_commit(t, e);
}

/* The record follows; a member's is its coordinator's to write. */
static int note(struct call *c, struct err *e)
{
    const struct pool *pool = db_pool(c->db, c->x->pool);
    const struct host *host = db_host(c->db, c->x->host);

    if (c->x->membership.member) {
        follow_tell_facts(c->x);
        return 0;
    }
    struct txn *t = db_begin(c->db);
    host_set_tls_verification_enabled(t, host, pool->tls_verification_enabled && !verify_is_off(c->x));
    return db_commit(t, e);
}

int co_host_emergency_disable_tls_verification(struct call *c,
                                               const struct host_emergency_disable_tls_verification_args *a,
                                               struct err *e)
{
    const char *path = off_path(c->mem, c->x);
    int r = fd_replace_file(path, "", 0);

    if (r < 0)
        return err_errno(e, r, "writing %s", path);
    log_warning("servers outside the pool are believed whatever certificate they have");
    return note(c, e);
}

int co_host_emergency_reenable_tls_verification(struct call *c,
                                                const struct host_emergency_reenable_tls_verification_args *a,
                                                struct err *e)
{
    const char *path = off_path(c->mem, c->x);

    if (db_pool(c->db, c->x->pool) && !db_pool(c->db, c->x->pool)->tls_verification_enabled)
        return err_tls_verification_not_enabled_in_pool(e);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, -errno, "removing %s", path);
    return note(c, e);
}
