#include "xapid/pool/at_host.h"
#include <string.h>
#include <talloc.h>
#include "rpc/client.h"
#include "xapid/host/host_agent.h"
#include "xapid/pool/peers.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

#define TARGET "/peer/call"

/* Their first parameter is the host, or a VM on it. */
static bool is_of_machine(const char *name)
{
    static const char *const names[] = {
        "VM.forget_data_source_archives",
        "VM.get_data_sources",
        "VM.query_data_source",
        "VM.record_data_source",
        "host.backup_rrds",
        "host.bugreport_upload",
        "host.call_extension",
        "host.call_plugin",
        "host.dmesg",
        "host.dmesg_clear",
        "host.forget_data_source_archives",
        "host.get_data_sources",
        "host.get_diagnostic_timing_stats",
        "host.get_log",
        "host.get_ntp_synchronized",
        "host.get_server_certificate",
        "host.get_server_localtime",
        "host.get_servertime",
        "host.get_system_status_capabilities",
        "host.get_tracked_user_agents",
        "host.has_extension",
        "host.list_timezones",
        "host.query_data_source",
        "host.record_data_source",
        "host.restart_agent",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool host_meant(const struct request *q, struct ref *ret)
{
    const struct wire *first = q->n_params > 0 ? &q->params[0] : NULL;
    const struct vm *vm;

    if (!first || first->kind != WIRE_STRING || !ref_parse(first->s, ret))
        return false;
    vm = q->call.message->cls == CLASS_VM ? db_vm(q->call.db, *ret) : NULL;
    if (vm)
        *ret = vm->resident_on;
    return true;
}

bool at_host_wants(const struct request *q)
{
    struct ref host;

    return !q->call.x->membership.member && is_of_machine(q->call.message->full_name) &&
           host_meant(q, &host) && !ref_equal(host, q->call.x->host) && db_host(q->call.db, host);
}

static int co_ask(struct call *c, struct ref ref, const char *method, const struct wire *params, uint32_t n,
                  struct wire *ret, struct err *e)
{
    const struct host *host = db_host(c->db, ref);
    int no_contact = 0;

    if (!host || !host_is_reachable(c->x, ref))
        return err_host_offline(e, REF_TEXT(ref));
    struct rpc_client *client = peers_client(c->x, host->address, host->uuid);
    CLEANUP_ERR struct err problem = {0};
    int r = co_rpc_call_at(client, c->mem, TARGET, method, params, n, ret, &no_contact, &problem);
    rpc_client_free(client);
    if (no_contact)
        return err_cannot_contact_host(e, REF_TEXT(ref));
    err_move(e, &problem);
    return r;
}

/* Whoever asked was let in here: no session is named there. */
int co_at_host_ask(struct call *c, struct ref host, const char *method, const struct wire *params, uint32_t n,
                   struct wire *ret, struct err *e)
{
    struct wire *all = talloc_array(c->mem, struct wire, n + 1);

    all[0] = wire_string("");
    memcpy(all + 1, params, n * sizeof *params);
    return co_ask(c, host, method, all, n + 1, ret, e);
}

int co_at_host_run(const struct request *q, struct enc *out, struct err *e)
{
    struct call *c = (struct call *)&q->call;
    struct wire ret;
    struct ref host;

    if (!host_meant(q, &host))
        return err_host_offline(e, "");
    if (co_at_host_ask(c, host, c->message->full_name, q->params, q->n_params, &ret, e) < 0)
        return -1;
    enc_wire(out, &ret);
    return 0;
}

int co_at_host_call(struct call *c, struct ref host, const char *method, struct err *e)
{
    const struct wire self = wire_string(talloc_strdup(c->mem, REF_TEXT(host)));
    struct wire nothing;

    return co_at_host_ask(c, host, method, &self, 1, &nothing, e);
}

bool at_host_is_asked(struct xapid *x, const struct http_request *r)
{
    return strcmp(r->path, TARGET) == 0 && peers_is_trusted(x, r);
}
