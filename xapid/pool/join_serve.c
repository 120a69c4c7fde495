/* The coordinator's side of a join. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/replica.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "pool/authority.h"
#include "rpc/pem.h"
#include "xapid/host/upgrade.h"
#include "xapid/http_auth.h"
#include "xapid/pool/frame.h"
#include "xapid/pool/host_certificates.h"
#include "xapid/pool/join.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/refusal.h"
#include "xapid/pool/take_over.h"
#include "xapid/server.h"
#include "xapid/version.h"

enum { MAX_HELLO = 64 * 1024 };

/* What a joining host sends. Texts on mem. */
struct application {
    const char *host, *request;
    struct db *rows; /* a database in memory; to be closed */
};

/* ---- reading ---- */

struct bytes {
    const char *at;
    size_t n;
};

static ssize_t co_read_bytes(void *stream, void *bytes, size_t n, int64_t deadline)
{
    struct bytes *b = stream;
    size_t some = n < b->n ? n : b->n;

    memcpy(bytes, b->at, some);
    b->at += some;
    b->n -= some;
    return (ssize_t)some;
}

static int not_understood(struct err *e)
{
    return err_internal(e, "the joining host sends what is not understood");
}

static int co_next(const struct frame_end *end, enum frame_kind kind, struct frame *ret, struct err *e)
{
    int r = co_frame_read(end, SIZE_MAX, 0, ret);

    if (r == 0 && ret->kind == kind)
        return 0;
    buf_free(&ret->body);
    return not_understood(e);
}

static int co_read_hello(const struct frame_end *end, void *mem, struct application *ret, struct err *e)
{
    const char *host, *request;
    struct frame f;

    if (co_next(end, FRAME_HELLO, &f, e) < 0)
        return -1;
    json_t *j = f.body.len <= MAX_HELLO ? json_loadb(f.body.data, f.body.len, 0, NULL) : NULL;
    int r = json_unpack(j, "{s:s, s:s}", "host", &host, "request", &request);
    if (r == 0 && uuid_is_valid(host)) {
        ret->host = talloc_strdup(mem, host);
        ret->request = talloc_strdup(mem, request);
    }
    json_decref(j);
    buf_free(&f.body);
    return ret->host ? 0 : not_understood(e);
}

static int co_load_rows(const struct frame_end *end, struct replica *r, struct err *e)
{
    struct frame f;

    if (co_next(end, FRAME_SNAPSHOT, &f, e) < 0)
        return -1;
    int rc = replica_load(r, f.body.data, f.body.len, f.generation, e);
    buf_free(&f.body);
    return rc;
}

static int co_read_rows(const struct frame_end *end, struct application *ret, struct err *e)
{
    struct replica *replica = NULL;
    struct frame f;

    if (co_next(end, FRAME_MODEL, &f, e) < 0)
        return -1;
    int r = db_open(NULL, &ret->rows, e);
    if (r == 0)
        r = replica_new(ret->rows, f.body.data, f.body.len, &replica, e);
    buf_free(&f.body);
    if (r == 0) {
        replica_begin(ret->rows);
        r = co_load_rows(end, replica, e);
    }
    replica_free(replica);
    return r;
}

static int co_read(const struct http_request *q, struct application *ret, struct err *e)
{
    struct bytes bytes = {q->body, q->body_len};
    const struct frame_end end = {.stream = &bytes, .co_read = co_read_bytes};

    if (co_read_hello(&end, q->mem, ret, e) < 0 || co_read_rows(&end, ret, e) < 0)
        return -1;
    const struct host *host = (const struct host *)db_first(ret->rows, CLASS_HOST);
    bool alone = host && db_count(ret->rows, CLASS_HOST) == 1 && strcmp(host->uuid, ret->host) == 0;
    return alone ? 0 : err_joining_host_cannot_be_master_of_other_hosts(e);
}

/* ---- taking in ---- */

/* It could never connect. */
static int check_version(const struct application *a, struct err *e)
{
    const struct host *host = (const struct host *)db_first(a->rows, CLASS_HOST);
    const char *version = map_get(host->software_version, "xapi_build");

    return version && upgrade_is_newer(version, xapid_version)
               ? err_host_xapi_version_higher_than_coordinator(e, version)
               : 0;
}

static void record_certificate(struct txn *t, const struct application *a, const char *pem)
{
    const struct row *host = db_get_by_uuid(txn_db(t), CLASS_HOST, a->host);
    X509 *cert = pem_read_certificate(pem);

    if (host && cert)
        host_certificate_record(t, host->ref, cert);
    X509_free(cert);
}

static int co_take_in(struct xapid *x, struct application *a, const char *cert, struct err *e)
{
    struct txn *t = db_begin(x->db);

    take_over_rows(t, a->rows);
    record_certificate(t, a, cert);
    if (db_commit(t, e) < 0)
        return -1;
    uint64_t generation = db_generation(x->db);
    int r = co_db_wait_durable(x->db, generation, CLOCK_NEVER);
    if (r < 0)
        return err_errno(e, r, "recording the host");
    co_leader_share(generation);
    return 0;
}

static json_t *answer_of(struct xapid *x, const char *cert)
{
    struct authority_files files = authority_export(x->authority);

    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "ca_cert", files.ca_cert, "ca_key", files.ca_key, "cert",
                     cert, "coordinator", x->address, "term", (json_int_t)x->membership.term);
}

static json_t *co_serve(struct call *c, struct http_request *q, struct err *e)
{
    struct application a = {0};
    json_t *answer = NULL;
    char *cert;

    if (co_read(q, &a, e) == 0 && check_version(&a, e) == 0 &&
        authority_sign(c->x->authority, q->mem, a.request, a.host, &cert, e) == 0 &&
        co_take_in(c->x, &a, cert, e) == 0) {
        answer = answer_of(c->x, cert);
        log_info("host %s joins the pool", a.host);
    }
    if (a.rows)
        db_close(a.rows);
    return answer;
}

static void answer(struct http_reply *reply, json_t *j, const struct err *e)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

    json_decref(j);
    reply->content_type = "application/json";
    if (text) {
        buf_add_str(&reply->body, text);
    } else {
        reply->status = 400;
        refusal_write(e, &reply->body);
    }
    free(text);
}

void co_join_serve(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct call c;

    if (co_http_auth(r, arg, &c, &e) < 0 || http_auth_may(&c, "pool.join", &e) < 0) {
        http_auth_refuse(r, reply, &e);
        http_auth_end(&c);
        return;
    }
    json_t *given = NULL;
    if (co_host_certificates_lock() == 0) {
        given = co_serve(&c, r, &e);
        host_certificates_unlock();
    }
    answer(reply, given, &e);
    http_auth_end(&c);
}
