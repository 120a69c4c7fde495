#include "xapid/pool/host_certificates.h"
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "pool/authority.h"
#include "rpc/pem.h"
#include "rpc/x509.h"
#include "xapid/certificate/row.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/upgrade.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/peer_calls.h"
#include "xapid/pool/peers.h"
#include "xapid/reftext.h"
#include "xapid/vm/crossing.h"

#define TARGET "/peer/certificate"
/* In the pool's other_config until it is done. */
#define RENEWAL_KEY "xapid-authority-to-be-renewed"

enum { LOOK_MS = 60 * 60 * 1000, AGAIN_MS = 5000, RECORD_MS = 30 * 1000, DAYS_LEFT = 60, DAY = 24 * 3600 };

/* ---- one at a time ---- */

static bool at_work, is_wanted;
static struct fiber_cond done = FIBER_COND_INIT(done), wanted = FIBER_COND_INIT(wanted);

int co_host_certificates_lock(void)
{
    while (at_work)
        if (co_cond_wait(&done, CLOCK_NEVER, "the pool's certificates to be changed") < 0)
            return -ECANCELED;
    at_work = true;
    return 0;
}

void host_certificates_unlock(void)
{
    at_work = false;
    fiber_cond_signal(&done);
}

void host_certificates_look(void)
{
    is_wanted = true;
    fiber_cond_broadcast(&wanted);
}

/* ---- records ---- */

static bool is_of(const struct certificate *c, const char *sha256)
{
    return strcmp(text_of(c->fingerprint_sha256), sha256) == 0;
}

/* Hosts that have no record yet are looked up by whoever is asked something. */
static bool is_recorded(const char *host_uuid, const char *sha256, void *arg)
{
    const struct xapid *x = arg;
    const struct row *host = db_get_by_uuid(x->db, CLASS_HOST, host_uuid);
    bool any = false;

    if (!host)
        return true;
    FOREACH_REFERRER (x->db, certificate, c, CERTIFICATE, HOST, host->ref) {
        if (c->type == CERTIFICATE_TYPE_HOST_INTERNAL && is_of(c, sha256))
            return true;
        any |= c->type == CERTIFICATE_TYPE_HOST_INTERNAL;
    }
    if (any)
        log_warning("a certificate of host %s that is not recorded is refused", host_uuid);
    return !any;
}

void host_certificates_open(struct xapid *x)
{
    authority_set_known(x->authority, is_recorded, x);
}

static const struct certificate *find_row(struct db *db, struct ref host, const char *sha256, bool same)
{
    FOREACH_REFERRER (db, certificate, c, CERTIFICATE, HOST, host)
        if (c->type == CERTIFICATE_TYPE_HOST_INTERNAL && is_of(c, sha256) == same)
            return c;
    return NULL;
}

static void add_record(struct txn *t, struct ref host, X509 *cert)
{
    struct x509_facts f;

    x509_facts(cert, &f);
    if (!find_row(txn_db(t), host, f.sha256, true))
        certificate_row(t, CERTIFICATE_TYPE_HOST_INTERNAL, "", host, cert);
}

void host_certificate_record(struct txn *t, struct ref host, X509 *cert)
{
    const struct certificate *other;
    struct x509_facts f;

    x509_facts(cert, &f);
    add_record(t, host, cert);
    while ((other = find_row(txn_db(t), host, f.sha256, false)))
        db_delete(t, &other->row);
}

static int record(struct xapid *x, struct ref host, X509 *cert, bool alone, struct err *e)
{
    struct txn *t = db_begin(x->db);

    if (alone)
        host_certificate_record(t, host, cert);
    else
        add_record(t, host, cert);
    return db_commit(t, e);
}

void host_certificate_seen(struct xapid *x, struct ref host, X509 *cert)
{
    CLEANUP_ERR struct err e = {0};

    if (cert && !at_work && record(x, host, cert, true, &e) < 0)
        log_warning("a host's certificate is not recorded: %s", e.code);
    host_certificates_look();
}

void host_certificates_distrust(struct txn *t, struct xapid *x)
{
    const struct pool *pool = db_pool(txn_db(t), x->pool);
    CLEANUP_TALLOC void *mem = talloc_new(NULL);

    pool_set_other_config(t, pool, map_with(mem, pool->other_config, RENEWAL_KEY, "true"));
}

/* ---- hosts ---- */

/* What is being done, on mem. */
struct work {
    struct xapid *x;
    void *mem;
    const struct set *members; /* all other hosts */
};

/* What a member is asked or told; the answer is to be freed. NULL with e. */
static json_t *co_tell(struct work *w, struct ref ref, json_t *body, struct err *e)
{
    const struct host *host = db_host(w->x->db, ref);

    if (!host) {
        json_decref(body);
        err_handle_invalid(e, "host", REF_TEXT(ref));
        return NULL;
    }
    return co_peer_demand(w->x, talloc_strdup(w->mem, host->address), talloc_strdup(w->mem, host->uuid),
                          TARGET, body, e);
}

static int co_tell_to(struct work *w, struct ref ref, json_t *body, struct err *e)
{
    json_t *answer = co_tell(w, ref, body, e);

    json_decref(answer);
    return answer ? 0 : -1;
}

/* All of the pool's hosts, or -1 with CANNOT_CONTACT_HOST when one is not connected. */
static int find_members(struct work *w, struct err *e)
{
    w->members = NULL;
    DB_FOREACH_HOST (w->x->db, host) {
        if (ref_equal(host->row.ref, w->x->host))
            continue;
        if (!leader_hears(host->row.ref))
            return err_cannot_contact_host(e, REF_TEXT(host->row.ref));
        w->members = set_with_ref(w->mem, w->members, host->row.ref);
    }
    return 0;
}

/* Everybody has on disk what is recorded now. */
static int co_everybody_knows(struct work *w, struct err *e)
{
    uint64_t generation = db_generation(w->x->db);
    int r = co_db_wait_durable(w->x->db, generation, clock_in_ms(RECORD_MS));

    if (r < 0)
        return err_errno(e, r, "recording a certificate");
    for (uint32_t i = 0; i < set_count(w->members); i++)
        if (co_leader_wait(w->members->v[i].r, generation, clock_in_ms(RECORD_MS)) < 0)
            return err_cannot_contact_host(e, REF_TEXT(w->members->v[i].r));
    return 0;
}

/* Add the record of a certificate that is about to be used. */
static int co_announce(struct work *w, struct ref host, const char *pem, X509 **ret, struct err *e)
{
    X509 *cert = pem_read_certificate(pem);

    if (!cert)
        return err_internal(e, "a certificate that was just made cannot be read");
    if (record(w->x, host, cert, false, e) == 0 && co_everybody_knows(w, e) == 0) {
        *ret = cert;
        return 0;
    }
    X509_free(cert);
    return -1;
}

/* ---- a host's certificate ---- */

/* Sign what the member asks for, and let it use that. */
static int co_issue(struct work *w, struct ref host, const char *request, struct err *e)
{
    struct authority_files own = authority_export(w->x->authority);
    const struct host *row = db_host(w->x->db, host);
    X509 *x509 = NULL;
    char *cert;

    if (!row || authority_sign(w->x->authority, w->mem, request, row->uuid, &cert, e) < 0 ||
        co_announce(w, host, cert, &x509, e) < 0)
        return err_is_set(e) ? -1 : err_handle_invalid(e, "host", REF_TEXT(host));
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "do", "take", "ca_cert", own.ca_cert, "ca_key",
                             own.ca_key, "cert", cert);
    int r = co_tell_to(w, host, body, e);
    if (r == 0)
        r = record(w->x, host, x509, true, e);
    X509_free(x509);
    return r;
}

static int co_renew_member(struct work *w, struct ref host, struct err *e)
{
    json_t *answer = co_tell(w, host, json_pack("{s:s}", "do", "ask"), e);
    const char *request = json_string_value(json_object_get(answer, "request"));
    int r = !answer    ? -1
            : !request ? err_internal(e, "a host does not ask for a certificate")
                       : co_issue(w, host, talloc_strdup(w->mem, request), e);

    json_decref(answer);
    if (r == 0)
        log_info("a host has a new certificate of the pool");
    return r;
}

/* From now on this host shows what the files say. */
static int co_use(struct work *w, const struct authority_files *files, struct err *e)
{
    struct xapid *x = w->x;
    X509 *cert = NULL;
    int r = co_announce(w, x->host, files->cert, &cert, e);

    if (r == 0)
        r = authority_take(x->authority, x->options.state_dir, files, e);
    if (r == 0)
        r = record(x, x->host, cert, true, e);
    X509_free(cert);
    return r;
}

static int co_renew_own(struct work *w, struct err *e)
{
    const struct authority *a = w->x->authority;
    struct authority_files files = authority_export(a);
    char *key, *request, *cert;

    if (authority_request(w->mem, authority_pool(a), authority_host(a), &key, &request, e) < 0 ||
        authority_sign(a, w->mem, request, authority_host(a), &cert, e) < 0)
        return -1;
    files.key = key;
    files.cert = cert;
    log_info("this host gets a new certificate of the pool");
    return co_use(w, &files, e);
}

/* ---- all of them ---- */

static bool is_due(const char *pem)
{
    struct x509_facts f = {0};
    X509 *cert = pem_read_certificate(pem);

    if (cert)
        x509_facts(cert, &f);
    X509_free(cert);
    return f.not_after - clock_wall() < (int64_t)DAYS_LEFT * DAY;
}

/* A member's certificate is one of this authority that lasts, or becomes one. *ret_trusted: what it trusts.
 */
static int co_settle_member(struct work *w, struct ref host, const char **ret_trusted, struct err *e)
{
    json_t *answer = co_tell(w, host, json_pack("{s:s}", "do", "tell"), e);
    const char *cert = json_string_value(json_object_get(answer, "cert")),
               *trusted = json_string_value(json_object_get(answer, "trusted"));
    bool good = cert && authority_issued(w->x->authority, cert) && !is_due(cert);

    *ret_trusted = talloc_strdup(w->mem, text_of(trusted));
    json_decref(answer);
    if (!answer)
        return -1;
    if (good)
        return 0;
    *ret_trusted = authority_export(w->x->authority).ca_cert;
    return co_renew_member(w, host, e);
}

static int co_trust(struct work *w, struct ref host, const char *trusted, struct err *e)
{
    return co_tell_to(w, host, json_pack("{s:s, s:s}", "do", "take", "ca_cert", trusted), e);
}

static int trust_here(struct work *w, const char *trusted, struct err *e)
{
    struct authority_files files = authority_export(w->x->authority);

    if (strcmp(files.ca_cert, trusted) == 0)
        return 0;
    files.ca_cert = trusted;
    return authority_take(w->x->authority, w->x->options.state_dir, &files, e);
}

/* Once nobody has a certificate of another authority any more, none is trusted. */
static int co_settle(struct work *w, struct err *e)
{
    const char *alone = authority_ca_certificate(w->x->authority, w->mem);
    uint32_t n = set_count(w->members);
    const char **trusted = talloc_zero_array(w->mem, const char *, n + 1);

    if (is_due(authority_export(w->x->authority).cert) && co_renew_own(w, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (co_settle_member(w, w->members->v[i].r, &trusted[i], e) < 0)
            return -1;
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(trusted[i], alone) != 0 && co_trust(w, w->members->v[i].r, alone, e) < 0)
            return -1;
    return trust_here(w, alone, e);
}

/* Everybody trusts the new authority before anybody has a certificate of it. */
static int co_renew_authority(struct work *w, struct err *e)
{
    struct authority_files now = authority_export(w->x->authority), next;

    if (authority_renew(w->x->authority, w->mem, &next, e) < 0)
        return -1;
    const char *both = talloc_asprintf(w->mem, "%s%s", now.ca_cert, next.ca_cert);
    for (uint32_t i = 0; i < set_count(w->members); i++)
        if (co_trust(w, w->members->v[i].r, both, e) < 0)
            return -1;
    if (co_use(w, &next, e) < 0)
        return -1;
    log_info("the pool's authority of certificates is a new one");
    return 0;
}

static int forget_distrust(struct work *w, struct err *e)
{
    const struct pool *pool = db_pool(w->x->db, w->x->pool);

    if (!map_get(pool->other_config, RENEWAL_KEY))
        return 0;
    struct txn *t = db_begin(w->x->db);
    pool_set_other_config(t, pool, map_without(w->mem, pool->other_config, RENEWAL_KEY));
    return db_commit(t, e);
}

static int co_rotate(struct work *w, struct err *e)
{
    if (find_members(w, e) < 0 || co_settle(w, e) < 0 || co_renew_authority(w, e) < 0 ||
        forget_distrust(w, e) < 0)
        return -1;
    return co_settle(w, e);
}

/* ---- now and then ---- */

/* The hypervisors of guests that move have read the certificates already; and a pool that a VM has come from
 * would not be let in any more to ask for it (crossings_are_open). */
static bool a_guest_moves(struct db *db)
{
    DB_FOREACH_VM (db, vm)
        if (map_count(vm->current_operations) > 0 && vm->power_state == VM_POWER_STATE_RUNNING)
            return true;
    return false;
}

static int co_look(struct work *w, struct err *e)
{
    const struct pool *pool = db_pool(w->x->db, w->x->pool);

    if (!pool || w->x->restarting || find_members(w, e) < 0)
        return 0; /* they come, and then it is looked again */
    bool renews =
        map_get(pool->other_config, RENEWAL_KEY) && !a_guest_moves(w->x->db) && !crossings_are_open(w->x);
    return renews ? co_rotate(w, e) : co_settle(w, e);
}

/* When to look again, in ms; or -ECANCELED. */
static int co_look_once(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct work w = {.x = x, .mem = mem};

    is_wanted = false;
    if (co_host_certificates_lock() < 0)
        return -ECANCELED;
    if (co_look(&w, &e) < 0)
        log_warning("the pool's certificates: %s", err_text(mem, &e));
    host_certificates_unlock();
    return err_is_set(&e) ? AGAIN_MS : LOOK_MS;
}

static void co_look_after(void *arg)
{
    int pause, r = 0;

    while (r != -ECANCELED && (pause = co_look_once(arg)) >= 0)
        r = is_wanted
                ? co_yield()
                : co_cond_wait(&wanted, clock_in_ms(pause), "certificates of the pool to be looked after");
}

int host_certificates_start(struct xapid *x, struct err *e)
{
    if (record(x, x->host, authority_own_certificate(x->authority), true, e) < 0)
        return -1;
    fiber_spawn("certificates", co_look_after, x);
    return 0;
}

/* ---- messages ---- */

int co_pool_rotate_secret(struct call *c, const struct pool_rotate_secret_args *a, struct err *e)
{
    struct work w = {.x = c->x, .mem = c->mem};

    if (db_pool(c->db, c->x->pool)->ha_enabled)
        return err_ha_is_enabled(e);
    if (upgrade_in_progress(c->db))
        return err_not_supported_during_upgrade(e);
    if (co_host_certificates_lock() < 0)
        return err_internal(e, "cancelled");
    int r = co_rotate(&w, e);
    host_certificates_unlock();
    return r;
}

int co_host_refresh_server_certificate(struct call *c, const struct host_refresh_server_certificate_args *a,
                                       struct err *e)
{
    struct work w = {.x = c->x, .mem = c->mem};

    if (!call_row(c, CLASS_HOST, a->host, e))
        return -1;
    if (co_host_certificates_lock() < 0)
        return err_internal(e, "cancelled");
    int r = find_members(&w, e);
    if (r == 0)
        r = ref_equal(a->host, c->x->host) ? co_renew_own(&w, e) : co_renew_member(&w, a->host, e);
    host_certificates_unlock();
    return r;
}

/* ---- the member's side ---- */

static char *pending_key; /* of the request that was made last */

static json_t *ask(struct xapid *x, struct err *e)
{
    const struct authority *a = x->authority;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    char *key, *request;

    if (authority_request(mem, authority_pool(a), authority_host(a), &key, &request, e) < 0)
        return NULL;
    talloc_free(pending_key);
    pending_key = talloc_steal(NULL, key);
    return json_pack("{s:s}", "request", request);
}

/* A certificate for the key that is pending, or only other authorities to trust. */
static json_t *take(struct xapid *x, const json_t *body, struct err *e)
{
    struct authority_files files = authority_export(x->authority);
    const char *ca_cert = json_string_value(json_object_get(body, "ca_cert")),
               *ca_key = json_string_value(json_object_get(body, "ca_key")),
               *cert = json_string_value(json_object_get(body, "cert"));

    files.ca_cert = ca_cert ? ca_cert : "";
    if (cert) {
        files.ca_key = ca_key ? ca_key : "";
        files.cert = cert;
        files.key = pending_key ? pending_key : "";
    }
    return authority_take(x->authority, x->options.state_dir, &files, e) < 0 ? NULL : json_object();
}

static json_t *serve(struct xapid *x, const json_t *body, struct err *e)
{
    const char *what = json_string_value(json_object_get(body, "do"));
    struct authority_files own = authority_export(x->authority);

    if (!x->membership.member)
        err_internal(e, "this host is the coordinator");
    else if (what && strcmp(what, "ask") == 0)
        return ask(x, e);
    else if (what && strcmp(what, "take") == 0)
        return take(x, body, e);
    else if (what && strcmp(what, "tell") == 0)
        return json_pack("{s:s, s:s}", "cert", own.cert, "trusted", own.ca_cert);
    else
        err_internal(e, "nothing that a host is asked");
    return NULL;
}

void co_host_certificate_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};

    if (!peers_admit(arg, r, reply))
        return;
    json_t *body = json_loadb(r->body, r->body_len, 0, NULL);
    json_t *answer = serve(arg, body, &e);
    json_decref(body);
    peer_answer(reply, answer, &e);
}
