/* host.install_server_certificate, host.reset_server_certificate and what else is about the certificate that
 * clients see. */
#include "xapid/certificate/server.h"
#include <string.h>
#include <talloc.h>
#include <unistd.h>
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
#include "xapid/handlers.gen.h"
#include "xapid/pool/at_host.h"
#include "xapid/pool/follow.h"
#include "xapid/reftext.h"

/* ---- the record ---- */

static const struct certificate *find_row(struct db *db, struct ref host)
{
    FOREACH_REFERRER (db, certificate, c, CERTIFICATE, HOST, host)
        if (c->type == CERTIFICATE_TYPE_HOST)
            return c;
    return NULL;
}

static void set_row(struct txn *t, struct ref host, X509 *cert)
{
    const struct certificate *old = find_row(txn_db(t), host);
    struct x509_facts f;
    x509_facts(cert, &f);
    if (old && strcmp(text_of(old->fingerprint_sha256), f.sha256) == 0)
        return;
    certificate_row(t, CERTIFICATE_TYPE_HOST, "", host, cert);
    if (old)
        db_delete(t, &old->row);
}

void server_certificate_row(struct txn *t, struct ref host, const char *pem)
{
    X509 *cert = *pem ? pem_read_certificate(pem) : NULL;
    if (cert)
        set_row(t, host, cert);
    X509_free(cert);
}

static int note_of(struct xapid *x, struct ref host, const char *pem, struct err *e)
{
    struct txn *t = db_begin(x->db);
    server_certificate_row(t, host, pem);
    if (db_commit(t, e) < 0)
        return -1;
    certificate_alerts(x->db, clock_wall());
    return 0;
}

static int note(struct xapid *x, struct err *e)
{
    if (x->membership.member) {
        follow_tell_facts(x);
        return 0;
    }
    CLEANUP_TALLOC char *pem = x509_pem(NULL, tls_server_certificate(x->tls));
    return note_of(x, x->host, pem, e);
}

void server_certificate_note(struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};
    if (note(x, &e) < 0)
        log_error("the record of the server's certificate is old: %s", e.code);
}

/* ---- putting one in place ---- */

/* One at a time: the file and what is served are then the same. */
static bool at_work;
static struct fiber_cond done = FIBER_COND_INIT(done);

struct placing {
    const char *cert, *key, *chain; /* PEM, or cert NULL: a fresh one */
    const char *address, *path;
    SSL_CTX *context; /* the result */
    struct err *e;
};

static int make_fresh(const struct placing *p, struct server_certificate *c, struct err *e)
{
    char hostname[256] = "localhost";
    gethostname(hostname, sizeof hostname - 1);
    *c = (struct server_certificate){0};
    return x509_make(hostname, p->address, &c->key, &c->cert, e);
}

/* On a worker. The file is written last, when nothing about it can fail any more. */
static int place_job(void *arg)
{
    struct placing *p = arg;
    struct server_certificate c;
    int r = p->cert ? server_certificate_read(p->cert, p->key, p->chain, clock_wall(), &c, p->e)
                    : make_fresh(p, &c, p->e);
    if (r < 0)
        return 0;
    if (tls_context_make(c.key, c.cert, c.chain, &p->context, p->e) == 0 &&
        x509_store(p->path, c.key, c.cert, c.chain, p->e) < 0) {
        SSL_CTX_free(p->context);
        p->context = NULL;
    }
    server_certificate_free(&c);
    return 0;
}

/* From the file on it is certain: nobody may cancel half of it. */
static int co_place(struct call *c, struct placing *p, struct err *e)
{
    struct xapid *x = c->x;
    p->address = x->address;
    p->path = tls_server_path(x->tls);
    p->e = e;
    while (at_work)
        if (co_cond_wait(&done, CLOCK_NEVER, "another certificate to be installed") < 0)
            return err_internal(e, "cancelled");
    at_work = true;
    fiber_mask_cancel();
    int r = co_run_worker(place_job, p, "a certificate to be checked and written");
    fiber_unmask_cancel();
    at_work = false;
    fiber_cond_broadcast(&done);
    if (r < 0)
        return err_errno(e, r, "installing a certificate");
    if (!p->context)
        return -1;
    tls_server_take_context(x->tls, p->context);
    log_info("the server's certificate has been replaced");
    return note(x, e);
}

/* ---- messages ---- */

/* The host that is meant does it; its new certificate is recorded here. */
static int co_at_other(struct call *c, struct ref host, const struct wire *more, uint32_t n, struct err *e)
{
    struct wire pem, params[4] = {wire_string(talloc_strdup(c->mem, REF_TEXT(host)))};
    for (uint32_t i = 0; i < n; i++)
        params[i + 1] = more[i];
    if (co_at_host_ask(c, host, c->message->full_name, params, n + 1, &pem, e) < 0 ||
        co_at_host_ask(c, host, "host.get_server_certificate", params, 1, &pem, e) < 0)
        return -1;
    return note_of(c->x, host, pem.kind == WIRE_STRING ? pem.s : "", e);
}

int co_host_install_server_certificate(struct call *c, const struct host_install_server_certificate_args *a,
                                       struct err *e)
{
    struct placing p = {.cert = a->certificate, .key = a->private_key, .chain = a->certificate_chain};
    const struct wire more[] = {wire_string(a->certificate), wire_string(a->private_key),
                                wire_string(a->certificate_chain)};
    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    return ref_equal(a->host, c->x->host) ? co_place(c, &p, e) : co_at_other(c, a->host, more, 3, e);
}

int co_host_reset_server_certificate(struct call *c, const struct host_reset_server_certificate_args *a,
                                     struct err *e)
{
    struct placing p = {0};
    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    return ref_equal(a->host, c->x->host) ? co_place(c, &p, e) : co_at_other(c, a->host, NULL, 0, e);
}

int co_host_emergency_reset_server_certificate(struct call *c,
                                               const struct host_emergency_reset_server_certificate_args *a,
                                               struct err *e)
{
    struct placing p = {0};
    return co_place(c, &p, e);
}

int co_host_get_server_certificate(struct call *c, const struct host_get_server_certificate_args *a,
                                   union value *ret, struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    ret->s = x509_pem(c->mem, tls_server_certificate(c->x->tls));
    return 0;
}
