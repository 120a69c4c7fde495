/* A VM leaves for another pool: the source's part. See crossing.h for who decides what. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "pool/codec.h"
#include "pool/visitor.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"
#include "xapid/transfer/xva_records.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/crossing_talk.h"
#include "xapid/vm/move_options.h"
#include "xapid/vm/record.h"
#include "xapid/vm/stop.h"
#include "xapid/vm/vm.h"

enum { ANSWER_MS = 600 * 1000, DECIDE_MS = 120 * 1000, SETTLE_MS = 60 * 1000 };

struct leaving {
    struct call *c;
    const struct vm_crossing *m;
    struct crossing_plan plan;
    struct xva_set rows;
    struct talk talk;
    struct op *ops; /* on disks and snapshots */
    unsigned n_ops;
    char id[UUID_TEXT_SIZE], uuid[UUID_TEXT_SIZE];
    struct ref source;   /* the guest's host; null: there is no guest */
    struct agent *agent; /* of it */
    struct crossing_note note;
    struct agent_target there; /* the host that it goes to */
    struct hv_passage passage;
    double begin, share; /* of the progress, for the part that is under way */
};

static void show_progress(double done, void *arg)
{
    const struct leaving *v = arg;

    call_progress(v->c, v->begin + v->share * done);
}

/* ---- what is told first ---- */

static json_t *ref_json(struct ref ref)
{
    return json_string(REF_TEXT(ref));
}

/* Its name in ova.xml. */
static json_t *number_json(const struct leaving *v, struct ref ref)
{
    return json_sprintf("Ref:%d", xva_set_number(&v->rows, ref));
}

static json_t *disks_json(const struct leaving *v)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < v->plan.n_disks; i++) {
        const struct crossing_disk *d = &v->plan.disks[i];
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:b}", "id", number_json(v, d->vdi), "vdi",
                                        ref_json(d->vdi), "sr", ref_json(d->sr), "mirrored", d->mirrored));
    }
    return list;
}

static json_t *nics_json(const struct leaving *v)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < v->plan.n_nics; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "id", number_json(v, v->plan.nics[i].vif),
                                              "network", ref_json(v->plan.nics[i].network)));
    return list;
}

static json_t *options_json(const struct map *m)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < map_count(m); i++)
        json_object_set_new(object, text_of(m->e[i].k.s), json_string(text_of(m->e[i].v.s)));
    return object;
}

static void gather_rows(struct leaving *v)
{
    v->rows = (struct xva_set){.db = v->c->db, .keep_power = true, .images = true};
    for (unsigned i = 0; i < v->plan.whole.n_vms; i++)
        xva_set_add_vm(&v->rows, db_vm(v->c->db, v->plan.whole.vms[i]), false);
    xva_set_complete(&v->rows);
}

static json_t *beginning(struct leaving *v, const char *request)
{
    static const char *const states[] = {"halted", "paused", "running", "suspended"};
    const struct vm *vm = db_vm(v->c->db, v->m->vm);
    const struct host *host = db_host(v->c->db, vm->resident_on);
    const char *version = host ? map_get(host->software_version, "hypervisor_version") : NULL;
    CLEANUP_BUF struct buf rows = {0};

    gather_rows(v);
    xva_set_write(&v->rows, v->c->x, &rows);
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:s, s:o, s:o, s:s%, s:o, s:o, s:o, s:s}", "do", "begin",
                     "id", v->id, "request", request, "host", ref_json(v->m->to.host), "url", v->m->to.url,
                     "copy", v->m->copy, "state", states[vm->power_state], "vm", number_json(v, v->m->vm),
                     "name", ref_json(v->m->vm), "records", rows.data, rows.len, "disks", disks_json(v),
                     "nics", nics_json(v), "options", options_json(v->m->options), "hypervisor_version",
                     version ? version : "");
}

/* ---- the other pool ---- */

static int refused(unsigned status, const struct vm_crossing *m, struct err *e)
{
    if (status == 401)
        return err_session_invalid(e, m->to.session);
    if (status == 403)
        return err_rbac_permission_denied(e, "host.migrate_receive", "No permission in user session");
    return err_internal(e, "the other pool takes no VMs: status %u", status);
}

static int co_connect(struct leaving *v, struct err *e)
{
    const struct crossing_target *to = &v->m->to;
    SSL_CTX *context = visitor_pinned_context(to->pin);
    const struct rpc_client_options o = {.host = to->master,
                                         .port = to->port,
                                         .tls = true,
                                         .tls_context = context,
                                         .server_name = "crossing.xapid",
                                         .user_agent = "xapid",
                                         .dead_after_ms = TALK_SILENCE_MS,
                                         .send_once = true};
    struct rpc_client *client = rpc_client_new(&o);
    const char *headers = talloc_asprintf(v->c->mem, "cookie: session_id=%s\r\n", to->session);
    unsigned status = 0;
    int r = co_client_stream_open(client, "CONNECT", "/crossing", headers, &v->talk.asking, &status, e);

    rpc_client_free(client);
    SSL_CTX_free(context);
    return r < 0 ? -1 : status == 200 ? 0 : refused(status, v->m, e);
}

static int read_beginning(struct leaving *v, json_t *answer, const char *key, struct err *e)
{
    const char *authority, *certificate, *address, *host;
    int port;

    if (json_unpack(answer, "{s:s, s:s, s:s, s:s, s:i}", "authority", &authority, "certificate", &certificate,
                    "address", &address, "host", &host, "port", &port) < 0 ||
        !uuid_is_valid(host) || port <= 0 || port > UINT16_MAX)
        return err_internal(e, "the other pool's answer is not understood");
    void *mem = v->c->mem;
    v->note = (struct crossing_note){
        .id = v->id,
        .address = v->m->to.master,
        .other_address = talloc_strdup(mem, address),
        .port = v->m->to.port,
        .credentials = {talloc_strdup(mem, authority), talloc_strdup(mem, certificate), key}};
    v->there = (struct agent_target){
        .address = v->note.other_address, .port = (unsigned)port, .credentials = &v->note.credentials};
    memcpy(v->there.host, host, sizeof v->there.host);
    return 0;
}

/* From here on the other pool has rows and disks for it. */
static int co_begin(struct leaving *v, struct err *e)
{
    char *key, *request;

    if (visitor_request(v->c->mem, v->id, &key, &request, e) < 0 || co_connect(v, e) < 0)
        return -1;
    json_t *answer = co_talk_ask(&v->talk, beginning(v, request), clock_in_ms(ANSWER_MS), e);
    int r = answer ? read_beginning(v, answer, key, e) : -1;
    json_decref(answer);
    return r;
}

static int co_do(struct leaving *v, const char *what, struct err *e)
{
    json_t *answer = co_talk_ask(&v->talk, json_pack("{s:s}", "do", what), clock_in_ms(ANSWER_MS), e);

    json_decref(answer);
    return answer ? 0 : -1;
}

/* ---- held ---- */

static int co_hold_disk(struct leaving *v, struct ref vdi, struct op *op, struct err *e)
{
    if (co_op_wait_others(CLASS_VDI, vdi, UINT64_MAX, NULL) < 0)
        return err_task_cancelled(e, REF_TEXT(v->c->task));
    if (!call_row(v->c, CLASS_VDI, vdi, e))
        return -1;
    op_mark(v->c->db, CLASS_VDI, vdi, v->m->copy ? VDI_OPERATIONS_COPY : VDI_OPERATIONS_MIRROR, v->c->task,
            op);
    return 0;
}

static int co_hold(struct leaving *v, struct err *e)
{
    const struct vm_whole *w = &v->plan.whole;

    v->ops = talloc_zero_array(v->c->mem, struct op, w->n_vms + v->plan.n_disks);
    for (unsigned i = 1; i < w->n_vms; i++)
        if (call_row(v->c, CLASS_VM, w->vms[i], e))
            op_mark(v->c->db, CLASS_VM, w->vms[i], VM_OPERATIONS_MIGRATE_SEND, v->c->task,
                    &v->ops[v->n_ops++]);
    for (unsigned i = 0; i < v->plan.n_disks && !err_is_set(e); i++)
        (void)co_hold_disk(v, v->plan.disks[i].vdi, &v->ops[v->n_ops++], e);
    return err_is_set(e) ? -1 : 0;
}

static void release(struct leaving *v)
{
    for (unsigned i = 0; i < v->n_ops; i++)
        op_end(&v->ops[i]);
}

/* ---- disks that nobody writes to ---- */

static int read_ticket(struct leaving *v, json_t *answer, struct agent_target *ret, struct err *e)
{
    const char *ticket, *address, *host;
    int port;

    if (json_unpack(answer, "{s:s, s:s, s:s, s:i}", "ticket", &ticket, "address", &address, "host", &host,
                    "port", &port) < 0 ||
        !uuid_is_valid(host))
        return err_internal(e, "the other pool's answer is not understood");
    *ret = (struct agent_target){.address = talloc_strdup(v->c->mem, address),
                                 .port = (unsigned)port,
                                 .ticket = talloc_strdup(v->c->mem, ticket),
                                 .credentials = &v->note.credentials};
    memcpy(ret->host, host, sizeof ret->host);
    return 0;
}

static int co_send_disk(struct leaving *v, const struct crossing_disk *d, struct err *e)
{
    const struct vdi *vdi = (const struct vdi *)call_row(v->c, CLASS_VDI, d->vdi, e);
    struct agent_target to;
    struct sr_handle h;

    if (!vdi)
        return -1;
    const char *location = talloc_strdup(v->c->mem, vdi->location);
    if (sr_open(v->c->x, v->c->mem, vdi->SR, &h, e) < 0)
        return -1;
    json_t *answer =
        co_talk_ask(&v->talk, json_pack("{s:s, s:o}", "do", "disk", "id", number_json(v, d->vdi)),
                    clock_in_ms(ANSWER_MS), e);
    int r = answer ? read_ticket(v, answer, &to, e) : -1;
    json_decref(answer);
    return r < 0
               ? -1
               : co_agent_vdi_send(h.agent, &(struct agent_place){h.sm, location}, &to, show_progress, v, e);
}

/* What the guest has takes the rest of the progress. */
static int co_send_disks(struct leaving *v, struct err *e)
{
    unsigned n = 0;

    for (unsigned i = 0; i < v->plan.n_disks; i++)
        n += !v->plan.disks[i].mirrored;
    v->share = n > 0 ? (ref_is_null(v->source) ? 0.9 : 0.3) / n : 0;
    for (unsigned i = 0; i < v->plan.n_disks; i++) {
        if (v->plan.disks[i].mirrored)
            continue;
        if (co_send_disk(v, &v->plan.disks[i], e) < 0)
            return -1;
        v->begin += v->share;
    }
    v->share = 0.95 - v->begin;
    return 0;
}

/* ---- the guest ---- */

static int describe_passage(struct leaving *v, struct err *e)
{
    unsigned *mirrors = talloc_zero_array(v->c->mem, unsigned, v->plan.n_disks + 1), n = 0;

    if (move_options_read(v->m->options, &v->passage.options, e) < 0)
        return -1;
    for (unsigned i = 0; i < v->plan.n_disks; i++)
        if (v->plan.disks[i].mirrored)
            mirrors[n++] = v->plan.disks[i].userdevice;
    memcpy(v->passage.source, v->id, sizeof v->passage.source);
    memcpy(v->passage.destination, v->there.host, sizeof v->passage.destination);
    v->passage.mirrors = mirrors;
    v->passage.n_mirrors = n;
    v->passage.credentials = &v->note.credentials;
    return 0;
}

static int co_await(struct leaving *v, struct err *e)
{
    json_t *answer = describe_passage(v, e) < 0 ? NULL
                                                : co_talk_ask(&v->talk, json_pack("{s:s}", "do", "receive"),
                                                              clock_in_ms(ANSWER_MS), e);
    const char *address;
    int memory_port = 0, disk_port = 0;
    int r = answer ? json_unpack(answer, "{s:s, s:i, s:i}", "address", &address, "memory_port", &memory_port,
                                 "disk_port", &disk_port)
                   : -1;

    if (answer && r < 0)
        err_internal(e, "the other pool's answer is not understood");
    if (r == 0) {
        v->passage.address = talloc_strdup(v->c->mem, address);
        v->passage.memory_port = (unsigned)memory_port;
        v->passage.disk_port = (unsigned)disk_port;
    }
    json_decref(answer);
    return r;
}

/* Up to where it is whole at the destination, and stands still at both ends. */
static int co_pass_over(struct leaving *v, struct err *e)
{
    return co_await(v, e) < 0 ||
                   co_agent_vm_move_prepare(v->agent, v->uuid, &v->passage, show_progress, v, e) < 0 ||
                   co_do(v, "switch", e) < 0 || co_agent_vm_move_finish(v->agent, v->uuid, e) < 0
               ? -1
               : 0;
}

/* ---- the decision ---- */

/* Whom to ask, before there is anything to ask about. */
static int co_note(struct leaving *v, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(v->c, CLASS_VM, v->m->vm, e);

    if (!vm || v->m->copy)
        return vm ? 0 : -1;
    struct txn *t = db_begin(v->c->db);
    vm_set_crossing(t, vm, crossing_note_write(v->c->mem, &v->note));
    if (db_commit(t, e) < 0)
        return -1;
    co_record_durable(v->c->x);
    return 0;
}

/* It may say besides that the guest has come to nothing there. */
static enum crossing_outcome read_decision(const json_t *answer, struct ref *ret, struct err *e)
{
    const char *vm = json_string_value(json_object_get(answer, "vm"));
    const json_t *failed = json_object_get(answer, "failed");

    if (!vm || !ref_parse(vm, ret))
        return CROSSING_UNKNOWN;
    if (failed)
        codec_decode_error(failed, e);
    return CROSSING_COMMITTED;
}

static enum crossing_outcome co_decide(struct leaving *v, struct ref *ret, struct err *e)
{
    CLEANUP_ERR struct err lost = {0};
    json_t *answer = co_talk_ask(&v->talk, json_pack("{s:s}", "do", "commit"), clock_in_ms(DECIDE_MS), &lost);
    enum crossing_outcome outcome = CROSSING_UNKNOWN;

    if (answer)
        outcome = read_decision(answer, ret, e);
    else if (!v->talk.broken)
        outcome = CROSSING_ABORTED;
    json_decref(answer);
    if (outcome == CROSSING_UNKNOWN)
        outcome = co_crossing_outcome(&v->note, clock_in_ms(SETTLE_MS), ret);
    if (outcome != CROSSING_COMMITTED)
        err_move(e, &lost);
    return outcome;
}

/* ---- all of it ---- */

/* A VM that is down leaves the coordinator. */
static int fail(struct leaving *v, const char *why, struct err *e)
{
    struct ref source = ref_is_null(v->source) ? v->c->x->host : v->source;

    err_clear(e);
    return err_vm_migrate_failed(e, REF_TEXT(v->m->vm), REF_TEXT(source), REF_TEXT(v->m->to.host), why);
}

/* The hypervisor names the VM by uuid, and the hosts as the certificates do. */
static void name_in_error(struct leaving *v, struct err *e)
{
    CLEANUP_FREE char *why = NULL;

    if (err_is(e, "VM_MIGRATE_FAILED") && e->n_params == 4)
        why = mem_strdup(e->params[3]);
    else if (err_is(e, "INTERNAL_ERROR") && e->n_params > 0)
        why = mem_strdup(e->params[0]);
    if (why)
        fail(v, why, e);
    else
        vm_name_in_error(v->c, v->m->vm, e);
}

static int co_go(struct leaving *v, struct err *e)
{
    if (co_begin(v, e) < 0 || co_note(v, e) < 0 || co_hold(v, e) < 0 || co_send_disks(v, e) < 0)
        return -1;
    return ref_is_null(v->source) ? 0 : co_pass_over(v, e);
}

/* Before the decision all is as it was once the other side hears that this one is gone. */
static void co_go_back(struct leaving *v)
{
    CLEANUP_ERR struct err e = {0};

    if (v->talk.asking)
        client_stream_close(TAKE_PTR(v->talk.asking));
    if (!v->m->copy && co_crossing_stays(v->c->x, v->m->vm, &e) < 0) {
        log_warning("VM %s stays: %s", v->uuid, e.code);
        crossing_settle_later(v->c->x, v->m->vm);
    }
}

static int co_end_here(struct leaving *v, struct err *e)
{
    CLEANUP_ERR struct err problem = {0};

    if (v->m->copy || co_crossing_left(v->c->x, v->m->vm, v->passage.options.post_copy, &problem) == 0) {
        if (v->talk.broken || co_do(v, "done", &problem) < 0 ||
            co_crossing_forget(v->c->x, v->id, &problem) < 0)
            crossing_done_later(v->c->x, &v->note);
    } else {
        log_warning("VM %s has left: %s", v->uuid, problem.code);
        crossing_settle_later(v->c->x, v->m->vm);
    }
    return err_is_set(e) ? -1 : 0;
}

static int co_conclude(struct leaving *v, struct ref *ret, struct err *e)
{
    switch (co_decide(v, ret, e)) {
    case CROSSING_COMMITTED:
        return co_end_here(v, e);
    case CROSSING_ABORTED:
        co_go_back(v);
        return -1;
    case CROSSING_UNKNOWN:
        break;
    }
    if (!v->m->copy)
        crossing_settle_later(v->c->x, v->m->vm);
    return fail(v, "the other pool does not say whether it has the VM, which stands still until it does", e);
}

static int co_cross(struct leaving *v, struct ref *ret, struct err *e)
{
    int rc = co_go(v, e);

    fiber_mask_cancel();
    if (rc == 0)
        rc = co_conclude(v, ret, e);
    else
        co_go_back(v);
    fiber_unmask_cancel();
    if (rc < 0)
        name_in_error(v, e);
    return rc;
}

static int prepare(struct leaving *v, struct call *c, const struct vm_crossing *m, struct err *e)
{
    *v = (struct leaving){.c = c, .m = m};
    if (crossing_make_plan(c->x, c->mem, m, &v->plan, e) < 0)
        return -1;
    const struct vm *vm = db_vm(c->db, m->vm);
    uuid_new(v->id);
    memcpy(v->uuid, vm->uuid, sizeof v->uuid);
    if (!vm_is_up(vm))
        return 0;
    v->source = vm->resident_on;
    v->agent = vm_agent(c->x, m->vm, e);
    return v->agent ? 0 : -1;
}

static void let_go(struct leaving *v)
{
    if (v->talk.asking)
        client_stream_close(TAKE_PTR(v->talk.asking));
    xva_set_free(&v->rows);
    release(v);
}

int co_vm_cross(struct call *c, const struct vm_crossing *m, struct ref *ret, struct err *e)
{
    struct leaving *v = talloc_zero(c->mem, struct leaving);

    if (prepare(v, c, m, e) < 0)
        return -1;
    int rc = co_cross(v, ret, e);
    let_go(v);
    return rc;
}

int co_vm_cross_check(struct call *c, const struct vm_crossing *m, struct err *e)
{
    struct leaving *v = talloc_zero(c->mem, struct leaving);

    if (prepare(v, c, m, e) < 0)
        return -1;
    int rc = co_connect(v, e);
    if (rc == 0) {
        json_t *question = beginning(v, "");
        json_object_set_new(question, "check", json_true());
        json_t *answer = co_talk_ask(&v->talk, question, clock_in_ms(ANSWER_MS), e);
        rc = answer ? 0 : -1;
        json_decref(answer);
    }
    if (rc < 0)
        name_in_error(v, e);
    let_go(v);
    return rc;
}
