#include "xapid/pool/member_host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <talloc.h>
#include "db/setters.gen.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"
#include "pool/agent_serve.h"
#include "pool/disk_remote.h"
#include "xapid/certificate/alert.h"
#include "pool/disk_stream.h"
#include "pool/visitor.h"
#include "xapid/host/host_agent.h"
#include "xapid/host/upgrade.h"
#include "xapid/pool/leader.h"
#include "xapid/pool/shared_files.h"
#include "xapid/pool/peers.h"
#include "xapid/reftext.h"
#include "xapid/storage/share.h"
#include "xapid/version.h"
#include "xapid/vm/lifecycle.h"

/* ---- may it come ---- */

int member_host_check(struct xapid *x, const char *uuid, const struct hello *hello, struct ref *ret,
                      struct err *e)
{
    const struct row *row = db_get_by_uuid(x->db, CLASS_HOST, uuid);

    if (!row)
        return err_host_unknown_to_master(e, uuid);
    if (upgrade_is_newer(hello->machine.version, xapid_version)) /* older it may be: it is upgraded later */
        return err_host_xapi_version_higher_than_coordinator(e, hello->machine.version);
    *ret = row->ref;
    return 0;
}

/* ---- its agent ---- */

/* One a host, for as long as the daemon runs, since calls may be in progress: it makes connections when they
 * are needed. A host that comes with another address has another. */
struct member_agent {
    SLIST_ENTRY(member_agent) link;
    struct ref host;
    char address[MEMBERSHIP_ADDRESS_SIZE];
    struct agent *agent;
};

static SLIST_HEAD(, member_agent) agents = SLIST_HEAD_INITIALIZER(agents);

static struct agent *make_agent(struct xapid *x, const struct host *host, const char *address)
{
    const struct agent_remote_options o = {.authority = x->authority,
                                           .pool = &x->peer_pool,
                                           .address = address,
                                           .port = x->port,
                                           .host_uuid = host->uuid,
                                           .host_ref = REF_TEXT(host->row.ref)};
    struct member_agent *m = mem_zalloc(sizeof *m);

    m->host = host->row.ref;
    snprintf(m->address, sizeof m->address, "%s", address);
    m->agent = agent_remote_new(&o);
    SLIST_INSERT_HEAD(&agents, m, link);
    return m->agent;
}

static struct agent *agent_of(struct xapid *x, const struct host *host, const char *address)
{
    struct member_agent *m;

    SLIST_FOREACH (m, &agents, link)
        if (ref_equal(m->host, host->row.ref) && strcmp(m->address, address) == 0)
            return m->agent;
    return make_agent(x, host, address);
}

/* ---- it is there ---- */

/* The rest of its welcome, which waits for it. */
struct welcome {
    struct xapid *x;
    struct ref host;
    struct host_guests *guests;
};

static void co_welcome(void *arg)
{
    struct welcome *w = arg;
    CLEANUP_ERR struct err e = {0};

    co_shared_files_send(w->x, w->host);
    co_host_attach_storage(w->x, w->host);
    if (co_host_adopt(w->x, w->host, w->guests, &e) < 0)
        log_warning("taking over the guests of a member: %s", err_text(w, &e));
    talloc_free(w);
}

static void copy_guests(struct welcome *w, const struct hello *hello)
{
    w->guests = talloc_zero(w, struct host_guests);
    w->guests->as_of = db_generation(w->x->db);
    for (unsigned i = 0; i < hello->n_guests; i++)
        host_guests_add(w->guests, hello->guests[i].uuid, &hello->guests[i].facts);
}

static int write_rows(struct xapid *x, struct ref host, const struct hello *hello, struct err *e)
{
    struct txn *t = db_begin(x->db);

    host_refresh_rows(t, host, &hello->machine);
    share_rows(t, host);
    return db_commit(t, e);
}

void member_host_welcome(struct xapid *x, struct ref host, const struct hello *hello)
{
    struct welcome *w = talloc_zero(NULL, struct welcome);
    CLEANUP_ERR struct err e = {0};

    if (!w)
        mem_abort();
    *w = (struct welcome){.x = x, .host = host};
    copy_guests(w, hello);
    log_info("host %s at %s is connected", db_host(x->db, host)->uuid, hello->machine.address);
    if (write_rows(x, host, hello, &e) < 0)
        log_warning("recording a member: %s", err_text(w, &e));
    host_agent_set(x, host, agent_of(x, db_host(x->db, host), hello->machine.address));
    fiber_spawn("welcome", co_welcome, w);
}

/* ---- it is gone ---- */

void member_host_gone(struct xapid *x, struct ref ref)
{
    CLEANUP_ERR struct err e = {0};
    const struct host *host = db_host(x->db, ref);
    const struct host_metrics *m = host ? db_host_metrics(x->db, host->metrics) : NULL;

    host_agent_drop(x, ref);
    if (!m)
        return;
    log_warning("host %s is not heard any more", host->uuid);
    struct txn *t = db_begin(x->db);
    host_metrics_set_live(t, m, false);
    host_metrics_set_last_updated(t, m, clock_wall());
    if (db_commit(t, &e) < 0)
        log_warning("recording that a member is gone: %s", e.code);
}

int member_host_report(struct xapid *x, struct ref host, const char *bytes, size_t n, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv_report report;
    json_t *j = codec_parse(bytes, n, e);
    int r = j ? codec_decode(&codec_hv_report, j, mem, &report, e) : -1;

    json_decref(j);
    if (r < 0)
        return -1;
    lifecycle_on_report(x, host, &report);
    return 0;
}

int member_host_facts(struct xapid *x, struct ref host, const char *bytes, size_t n, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct host_machine_facts facts;

    if (machine_read(mem, bytes, n, &facts, e) < 0)
        return -1;
    struct txn *t = db_begin(x->db);
    host_describe_rows(t, host, &facts);
    if (db_commit(t, e) < 0)
        return -1;
    certificate_alerts(x->db, clock_wall());
    return 0;
}

/* ---- the member's own side ---- */

static void note_guest(const char *uuid, const struct hv_vm_facts *f, void *arg)
{
    log_info("guest %s is alive", uuid);
}

int co_member_adopt(struct xapid *x, struct err *e)
{
    return co_agent_adopt(x->agent, note_guest, NULL, e);
}

void co_member_agent_post(struct http_request *r, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;

    if (peers_admit(x, r, reply))
        co_agent_serve(x->agent, r, reply);
}

void co_member_agent_console(struct http_request *r, struct http_stream *s, void *arg)
{
    struct xapid *x = arg;

    if (co_peers_admit_stream(x, r, s) && peers_is_trusted(x, r))
        co_agent_serve_console(x->agent, r, s);
}

void co_member_agent_disk(struct http_request *r, struct http_stream *s, void *arg)
{
    struct xapid *x = arg;

    if (visitor_identify(r) || (co_peers_admit_stream(x, r, s) && peers_is_trusted(x, r)))
        co_agent_serve_disk(x->agent, r, s);
}

void co_member_agent_bytes(struct http_request *r, struct http_stream *s, void *arg)
{
    struct xapid *x = arg;

    if (co_peers_admit_stream(x, r, s) && peers_is_trusted(x, r))
        co_agent_serve_bytes(x->agent, r, s);
}
