/* pool.install_ca_certificate and its like: what the pool trusts, and what has been revoked. */
#include "xapid/certificate/trusted.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/args.gen.h"
#include "rpc/pem.h"
#include "rpc/x509.h"
#include "xapid/call.h"
#include "xapid/certificate/alert.h"
#include "xapid/certificate/check.h"
#include "xapid/certificate/row.h"
#include "xapid/certificate/store.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"

typedef int name_error(struct err *e, const char *name);

/* The two kinds of files, and what their faults are called. */
static const struct kind {
    const char *folder;
    name_error *invalid, *exists, *absent;
} ca = {"ca", err_certificate_name_invalid, err_certificate_already_exists, err_certificate_does_not_exist},
  crl = {"crl", err_crl_name_invalid, err_crl_already_exists, err_crl_does_not_exist};

static char *folder_of(void *ctx, const struct xapid *x, const struct kind *k)
{
    return talloc_asprintf(ctx, "%s/tls/%s", x->options.state_dir, k->folder);
}

static int check_name(const struct kind *k, const char *name, struct err *e)
{
    return store_name_is_valid(name) ? 0 : k->invalid(e, name);
}

static int co_add(struct call *c, const struct kind *k, const char *name, const char *text, struct err *e)
{
    int r = co_store_add(folder_of(c->mem, c->x, k), name, text);
    if (r == -EEXIST)
        return k->exists(e, name);
    return r < 0 ? err_errno(e, r, "keeping %s", name) : 0;
}

static int co_remove(struct call *c, const struct kind *k, const char *name, bool force, struct err *e)
{
    int r = co_store_remove(folder_of(c->mem, c->x, k), name);
    if (r == -ENOENT)
        return force ? 0 : k->absent(e, name);
    return r < 0 ? err_errno(e, r, "removing %s", name) : 0;
}

/* ---- records ---- */

static const struct certificate *row_by_name(struct db *db, const char *name)
{
    DB_FOREACH_CERTIFICATE (db, c)
        if (c->type == CERTIFICATE_TYPE_CA && strcmp(text_of(c->name), name) == 0)
            return c;
    return NULL;
}

/* One record a name. */
static void set_row(struct txn *t, const char *name, X509 *cert)
{
    const struct certificate *old = row_by_name(txn_db(t), name);
    certificate_row(t, CERTIFICATE_TYPE_CA, name, REF_NULL, cert);
    if (old)
        db_delete(t, &old->row);
}

static bool describes(const struct certificate *row, X509 *cert)
{
    struct x509_facts f;
    x509_facts(cert, &f);
    return row && strcmp(text_of(row->fingerprint_sha256), f.sha256) == 0;
}

static void row_of_file(struct txn *t, const char *folder, const char *name)
{
    CLEANUP_TALLOC char *text = store_read(NULL, folder, name);
    X509 *cert = text ? pem_read_certificate(text) : NULL;
    if (!cert)
        log_warning("%s/%s is no certificate", folder, name);
    else if (!describes(row_by_name(txn_db(t), name), cert))
        set_row(t, name, cert);
    X509_free(cert);
}

static const struct certificate *row_without_file(struct db *db, const struct set *names)
{
    DB_FOREACH_CERTIFICATE (db, c)
        if (c->type == CERTIFICATE_TYPE_CA && !set_has_string(names, text_of(c->name)))
            return c;
    return NULL;
}

void trusted_rows(struct txn *t, struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *folder = folder_of(mem, x, &ca);
    const struct certificate *lost;
    const struct set *names;
    int r = store_names(mem, folder, &names);
    if (r < 0) {
        log_warning("%s: %s", folder, strerror(-r));
        return;
    }
    for (uint32_t i = 0; i < set_count(names); i++)
        row_of_file(t, folder, names->v[i].s);
    while ((lost = row_without_file(txn_db(t), names))) {
        log_warning("the file of the certificate %s is gone, and so it is not trusted", text_of(lost->name));
        db_delete(t, &lost->row);
    }
}

/* ---- authorities ---- */

static int co_install_ca(struct call *c, const char *name, const char *text, struct err *e)
{
    X509 *cert;
    if (check_name(&ca, name, e) < 0 || ca_certificate_read(text, clock_wall(), &cert, e) < 0)
        return -1;
    fiber_mask_cancel();
    int r = co_add(c, &ca, name, text, e);
    if (r == 0) {
        struct txn *t = db_begin(c->db);
        set_row(t, name, cert);
        r = db_commit(t, e);
    }
    fiber_unmask_cancel();
    X509_free(cert);
    certificate_alerts(c->db, clock_wall());
    return r;
}

static int co_uninstall_ca(struct call *c, const char *name, bool force, struct err *e)
{
    if (check_name(&ca, name, e) < 0)
        return -1;
    fiber_mask_cancel();
    int r = co_remove(c, &ca, name, force, e);
    const struct certificate *row = r == 0 ? row_by_name(c->db, name) : NULL;
    if (row) {
        struct txn *t = db_begin(c->db);
        db_delete(t, &row->row);
        r = db_commit(t, e);
    }
    fiber_unmask_cancel();
    certificate_alerts(c->db, clock_wall());
    return r;
}

int co_pool_install_ca_certificate(struct call *c, const struct pool_install_ca_certificate_args *a,
                                   struct err *e)
{
    return co_install_ca(c, a->name, a->cert, e);
}

int co_pool_certificate_install(struct call *c, const struct pool_certificate_install_args *a, struct err *e)
{
    return co_install_ca(c, a->name, a->cert, e);
}

int co_pool_uninstall_ca_certificate(struct call *c, const struct pool_uninstall_ca_certificate_args *a,
                                     struct err *e)
{
    return co_uninstall_ca(c, a->name, a->force, e);
}

int co_pool_certificate_uninstall(struct call *c, const struct pool_certificate_uninstall_args *a,
                                  struct err *e)
{
    return co_uninstall_ca(c, a->name, false, e);
}

static int co_names(struct call *c, const struct kind *k, const struct set **ret, struct err *e)
{
    int r = co_store_names(c->mem, folder_of(c->mem, c->x, k), ret);
    return r < 0 ? err_certificate_library_corrupt(e) : 0;
}

int co_pool_certificate_list(struct call *c, const struct pool_certificate_list_args *a, union value *ret,
                             struct err *e)
{
    return co_names(c, &ca, &ret->set, e);
}

/* ---- what was revoked ---- */

int co_pool_crl_install(struct call *c, const struct pool_crl_install_args *a, struct err *e)
{
    if (check_name(&crl, a->name, e) < 0)
        return -1;
    X509_CRL *list = pem_read_crl(a->cert);
    if (!list)
        return err_crl_corrupt(e, a->name);
    X509_CRL_free(list);
    return co_add(c, &crl, a->name, a->cert, e);
}

int co_pool_crl_uninstall(struct call *c, const struct pool_crl_uninstall_args *a, struct err *e)
{
    return check_name(&crl, a->name, e) < 0 ? -1 : co_remove(c, &crl, a->name, false, e);
}

int co_pool_crl_list(struct call *c, const struct pool_crl_list_args *a, union value *ret, struct err *e)
{
    return co_names(c, &crl, &ret->set, e);
}

/* With one host there is nobody to send them to; the records are made to fit the files. */
int co_pool_certificate_sync(struct call *c, const struct pool_certificate_sync_args *a, struct err *e)
{
    const struct set *names;
    if (co_names(c, &ca, &names, e) < 0 || co_names(c, &crl, &names, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    trusted_rows(t, c->x);
    return db_commit(t, e);
}
