#include "xapid/request.h"
#include <stdio.h>
#include <strings.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "rpc/wire.h"
#include "xapid/args.h"
#include "xapid/audit/audit.h"
#include "xapid/call_stats.h"
#include "xapid/dispatch.h"
#include "xapid/implicit.h"
#include "xapid/pool/at_host.h"
#include "xapid/role/permission.h"
#include "xapid/role/role.h"
#include "xapid/session/session.h"
#include "xapid/space.h"

/* Fill call.session and call.roles from the first parameter. */
static int check_session(struct request *q, struct err *e)
{
    const struct wire *first = q->rpc.n_params > 0 ? &q->rpc.params[0] : NULL;
    const char *text = first && first->kind == WIRE_STRING ? first->s : "";
    return session_check(&q->call, text, e);
}

/* Split "Async.VM.start" and find the message; the task's and the alias' spellings are the model's business.
 */
static void find_message(struct request *q)
{
    static const char prefix[] = "Async.";
    q->async = strncmp(q->rpc.method, prefix, sizeof prefix - 1) == 0;
    q->name = q->async ? q->rpc.method + sizeof prefix - 1 : q->rpc.method;
    q->call.message = model_message_by_name(q->name);
}

static int unknown_message(struct request *q, struct err *e)
{
    if (check_session(q, e) < 0)
        return -1;
    return err_message_method_unknown(e, q->rpc.method);
}

static int no_async(struct request *q, struct err *e)
{
    const char *text =
        talloc_asprintf(q->call.mem, "No async mode for this operation (rpc: %s)", q->rpc.method);
    return err_set(e, "Fault", 1, text);
}

/* Mandatory parameters must be there; beyond the optional ones anything is ignored, but a message without
 * optional ones takes none too many. */
static int check_count(struct request *q, struct err *e)
{
    const struct model_message *m = q->call.message;
    uint32_t session = m->takes_session ? 1 : 0;
    uint32_t n = q->rpc.n_params;
    bool enough = n >= m->n_required + session;
    bool exact = m->n_required == m->n_params;
    if (enough && (!exact || n == m->n_required + session)) {
        q->params = q->rpc.params + session;
        q->n_params = n - session;
        return 0;
    }
    char expected[16], received[16];
    snprintf(expected, sizeof expected, "%u", m->n_required);
    snprintf(received, sizeof received, "%d", (int)n - (int)session);
    return err_message_parameter_count_mismatch(e, m->full_name, expected, received);
}

static int check_role(struct request *q, struct err *e)
{
    const struct model_message *m = q->call.message;
    if (m->pool_internal && !q->call.local_root)
        return err_internal(e, "%s is only for the members of a pool", m->full_name);
    bool superuser = q->call.roles == ROLE_ALL;
    if (superuser || (m->roles & (q->call.roles | ROLE_ANYONE)))
        return 0;
    return err_rbac_permission_denied(e, role_permission_name(q->call.mem, m),
                                      "No permission in user session");
}

/* What follows once the caller is known. */
static int check_call(struct request *q, struct err *e)
{
    const struct model_message *m = q->call.message;
    if (m->takes_session && check_role(q, e) < 0)
        return -1;
    if (m->gap)
        return err_not_implemented(e, m->full_name);
    if (q->call.x->restarting && !audit_is_read(m) && model_classes[m->cls].persistent)
        return err_host_still_booting(e);
    if (space_check(q->call.db, m, e) < 0)
        return -1;
    if (!m->handler)
        return 0;
    q->args = args_decode(q->call.mem, m, q->params, q->n_params, e);
    return q->args ? 0 : -1;
}

/* A call is over: the traces that it leaves. */
static void ended(struct request *q, const struct err *e)
{
    int64_t took = clock_now() - q->started;
    audit_end(&q->call, q->audit, q->rpc.method, e);
    call_stats_add(q->call.message,
                   q->async              ? CALL_TASK
                   : request_may_wait(q) ? CALL_WAITING
                                         : CALL_AT_ONCE,
                   took, err_is_set(e));
    log_debug("%s after %.1f ms", err_is_set(e) ? e->code : "done", (double)took / 1e6);
}

int request_check(struct request *q, struct err *e)
{
    q->call.db = q->call.x->db;
    find_message(q);
    const struct model_message *m = q->call.message;
    if (!m)
        return unknown_message(q, e);
    if (m->removed)
        return err_message_removed(e);
    if (q->async && !m->has_async)
        return no_async(q, e);
    if (check_count(q, e) < 0)
        return -1;
    if (m->takes_session && check_session(q, e) < 0)
        return -1;
    q->audit = audit_begin(&q->call, q->params, q->n_params);
    if (check_call(q, e) == 0)
        return 0;
    ended(q, e);
    return -1;
}

bool request_may_wait(const struct request *q)
{
    return q->call.message->handler != 0;
}

int request_run_now(struct request *q, struct enc *out, struct err *e)
{
    int r = implicit_run(&q->call, q->params, out, e);
    ended(q, e);
    return r;
}

static int co_run_handler(struct request *q, struct enc *out, struct err *e)
{
    const struct model_message *m = q->call.message;
    union value ret = {0};
    size_t before = out->out->len;
    if (at_host_wants(q))
        return co_at_host_run(q, out, e);
    if (xapid_handlers[m->handler](&q->call, q->args, &ret, out, e) < 0)
        return -1;
    if (out->out->len == before)
        enc_value(out, m->result, ret);
    return 0;
}

int co_request_run(struct request *q, struct enc *out, struct err *e)
{
    if (!q->call.message->handler)
        return request_run_now(q, out, e);
    int r = co_run_handler(q, out, e);
    ended(q, e);
    return r;
}
