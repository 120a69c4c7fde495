/* pool.install_trusted_certificate and its like: what the pool trusts, and what has been revoked. */
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
#include "xapid/pool/shared_files.h"
#include "xapid/reftext.h"

typedef int name_error(struct err *e, const char *name);

/* The kinds of files, and what their faults are called. */
static const struct kind {
    const char *folder;
    enum certificate_type type; /* of the records; not of lists */
    name_error *invalid, *exists, *absent;
} ca = {"ca", CERTIFICATE_TYPE_CA, err_certificate_name_invalid, err_certificate_already_exists,
        err_certificate_does_not_exist},
  pinned = {"pinned", CERTIFICATE_TYPE_PINNED, err_certificate_name_invalid, err_certificate_already_exists,
            err_certificate_does_not_exist},
  crl = {.folder = "crl",
         .invalid = err_crl_name_invalid,
         .exists = err_crl_already_exists,
         .absent = err_crl_does_not_exist};

const char *const trusted_kinds[] = {"ca", "pinned", "crl", NULL};

char *trusted_folder(void *ctx, const struct xapid *x, const char *kind)
{
    return talloc_asprintf(ctx, "%s/tls/%s", x->options.state_dir, kind);
}

static char *folder_of(void *ctx, const struct xapid *x, const struct kind *k)
{
    return trusted_folder(ctx, x, k->folder);
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

/* ---- names that tell ---- */

enum { FINGERPRINT_DIGITS = 64 };

static const struct {
    const char *suffix;
    enum certificate_purpose purpose;
} purposes[] = {{"-licensing", CERTIFICATE_PURPOSE_LICENSING}, {"-ldaps", CERTIFICATE_PURPOSE_LDAPS}};
enum { N_PURPOSES = sizeof purposes / sizeof purposes[0] };

static bool has_purpose(const struct set *wanted, enum certificate_purpose p)
{
    for (uint32_t i = 0; i < set_count(wanted); i++)
        if (wanted->v[i].i == (int64_t)p)
            return true;
    return false;
}

/* Of a trusted certificate that its client gave none: its fingerprint and what it is for. */
static char *name_of(void *ctx, X509 *cert, const struct set *wanted)
{
    char *name = talloc_strdup(ctx, "");
    struct x509_facts f;
    x509_facts(cert, &f);
    for (const char *p = f.sha256; *p; p++)
        if (*p != ':')
            name = talloc_asprintf_append(name, "%c", *p);
    for (unsigned i = 0; i < N_PURPOSES; i++)
        if (has_purpose(wanted, purposes[i].purpose))
            name = talloc_strdup_append(name, purposes[i].suffix);
    return talloc_strdup_append(name, ".pem");
}

static struct set *purposes_of(void *ctx, const char *name)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + N_PURPOSES * sizeof s->v[0]);
    if (strspn(name, "0123456789ABCDEF") != FINGERPRINT_DIGITS)
        return s;
    for (unsigned i = 0; i < N_PURPOSES; i++)
        if (strstr(name + FINGERPRINT_DIGITS, purposes[i].suffix))
            s->v[s->n++].i = purposes[i].purpose;
    return s;
}

bool trusted_is_general(const char *name)
{
    CLEANUP_TALLOC struct set *limits = purposes_of(NULL, name);
    return limits->n == 0;
}

/* ---- records ---- */

static const struct certificate *row_by_name(struct db *db, const struct kind *k, const char *name)
{
    DB_FOREACH_CERTIFICATE (db, c)
        if (c->type == k->type && strcmp(text_of(c->name), name) == 0)
            return c;
    return NULL;
}

/* One record a name. */
static void set_row(struct txn *t, const struct kind *k, const char *name, X509 *cert)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct certificate *old = row_by_name(txn_db(t), k, name),
                             *row = certificate_row(t, k->type, name, REF_NULL, cert);
    certificate_set_purpose(t, row, purposes_of(mem, name));
    if (old)
        db_delete(t, &old->row);
}

static bool describes(const struct certificate *row, X509 *cert)
{
    struct x509_facts f;
    x509_facts(cert, &f);
    return row && strcmp(text_of(row->fingerprint_sha256), f.sha256) == 0;
}

static void row_of_file(struct txn *t, const struct kind *k, const char *folder, const char *name)
{
    CLEANUP_TALLOC char *text = store_read(NULL, folder, name);
    X509 *cert = text ? pem_read_certificate(text) : NULL;
    if (!cert)
        log_warning("%s/%s is no certificate", folder, name);
    else if (!describes(row_by_name(txn_db(t), k, name), cert))
        set_row(t, k, name, cert);
    X509_free(cert);
}

static const struct certificate *row_without_file(struct db *db, const struct kind *k,
                                                  const struct set *names)
{
    DB_FOREACH_CERTIFICATE (db, c)
        if (c->type == k->type && !set_has_string(names, text_of(c->name)))
            return c;
    return NULL;
}

static void rows_of_kind(struct txn *t, struct xapid *x, const struct kind *k)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *folder = folder_of(mem, x, k);
    const struct certificate *lost;
    const struct set *names;
    int r = store_names(mem, folder, &names);
    if (r < 0) {
        log_warning("%s: %s", folder, strerror(-r));
        return;
    }
    for (uint32_t i = 0; i < set_count(names); i++)
        row_of_file(t, k, folder, names->v[i].s);
    while ((lost = row_without_file(txn_db(t), k, names))) {
        log_warning("the file of the certificate %s is gone, and so it is not trusted", text_of(lost->name));
        db_delete(t, &lost->row);
    }
}

void trusted_rows(struct txn *t, struct xapid *x)
{
    rows_of_kind(t, x, &ca);
    rows_of_kind(t, x, &pinned);
}

/* ---- certificates ---- */

/* What is trusted has changed here: the members follow. */
static void co_spread(struct call *c)
{
    certificate_alerts(c->db, clock_wall());
    co_shared_files_send_all(c->x);
}

static int co_install(struct call *c, const struct kind *k, const char *name, const char *text, X509 *cert,
                      struct err *e)
{
    fiber_mask_cancel();
    int r = co_add(c, k, name, text, e);
    if (r == 0) {
        struct txn *t = db_begin(c->db);
        set_row(t, k, name, cert);
        r = db_commit(t, e);
    }
    fiber_unmask_cancel();
    if (r == 0)
        co_spread(c);
    return r;
}

static int co_install_ca(struct call *c, const char *name, const char *text, struct err *e)
{
    X509 *cert;
    if (check_name(&ca, name, e) < 0 || ca_certificate_read(text, clock_wall(), &cert, e) < 0)
        return -1;
    int r = co_install(c, &ca, name, text, cert, e);
    X509_free(cert);
    return r;
}

static int co_uninstall(struct call *c, const struct kind *k, const char *name, bool force, struct err *e)
{
    if (check_name(k, name, e) < 0)
        return -1;
    fiber_mask_cancel();
    int r = co_remove(c, k, name, force, e);
    const struct certificate *row = r == 0 ? row_by_name(c->db, k, name) : NULL;
    if (row) {
        struct txn *t = db_begin(c->db);
        db_delete(t, &row->row);
        r = db_commit(t, e);
    }
    fiber_unmask_cancel();
    if (r == 0)
        co_spread(c);
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
    return co_uninstall(c, &ca, a->name, a->force, e);
}

int co_pool_certificate_uninstall(struct call *c, const struct pool_certificate_uninstall_args *a,
                                  struct err *e)
{
    return co_uninstall(c, &ca, a->name, false, e);
}

/* ---- the same by what they are ---- */

int co_pool_install_trusted_certificate(struct call *c, const struct pool_install_trusted_certificate_args *a,
                                        struct err *e)
{
    const struct kind *k = a->ca ? &ca : &pinned;
    struct x509_facts f;
    X509 *cert;
    if (!call_row(c, CLASS_POOL, a->self, e) || trusted_certificate_read(a->cert, clock_wall(), &cert, e) < 0)
        return -1;
    const char *name = name_of(c->mem, cert, a->purpose);
    x509_facts(cert, &f);
    int r = row_by_name(c->db, k, name) ? err_trusted_certificate_already_exists(e, f.sha256)
                                        : co_install(c, k, name, a->cert, cert, e);
    X509_free(cert);
    return r;
}

int co_pool_uninstall_trusted_certificate(struct call *c,
                                          const struct pool_uninstall_trusted_certificate_args *a,
                                          struct err *e)
{
    const struct certificate *row =
        call_row(c, CLASS_POOL, a->self, e)
            ? (const struct certificate *)call_row(c, CLASS_CERTIFICATE, a->certificate, e)
            : NULL;
    if (!row)
        return -1;
    const struct kind *k = row->type == ca.type ? &ca : row->type == pinned.type ? &pinned : NULL;
    if (!k)
        return err_not_trusted_certificate(e, REF_TEXT(a->certificate));
    return co_uninstall(c, k, talloc_strdup(c->mem, text_of(row->name)), true, e);
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
    if (co_add(c, &crl, a->name, a->cert, e) < 0)
        return -1;
    co_spread(c);
    return 0;
}

int co_pool_crl_uninstall(struct call *c, const struct pool_crl_uninstall_args *a, struct err *e)
{
    if (check_name(&crl, a->name, e) < 0 || co_remove(c, &crl, a->name, false, e) < 0)
        return -1;
    co_spread(c);
    return 0;
}

int co_pool_crl_list(struct call *c, const struct pool_crl_list_args *a, union value *ret, struct err *e)
{
    return co_names(c, &crl, &ret->set, e);
}

/* The records are made to fit the files, and the members get those. */
int co_pool_certificate_sync(struct call *c, const struct pool_certificate_sync_args *a, struct err *e)
{
    const struct set *names;
    if (co_names(c, &ca, &names, e) < 0 || co_names(c, &crl, &names, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    trusted_rows(t, c->x);
    if (db_commit(t, e) < 0)
        return -1;
    co_spread(c);
    return 0;
}
