/* A VM comes from another pool: the destination's part. See crossing.h for who decides what. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "pool/codec.h"
#include "pool/visitor.h"
#include "xapid/host/host_agent.h"
#include "xapid/http_auth.h"
#include "xapid/op.h"
#include "xapid/reftext.h"
#include "xapid/storage/device.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/crossing_arrival.h"
#include "xapid/vm/crossing_talk.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/migrate.h"
#include "xapid/vm/move.h"
#include "xapid/vm/move_options.h"
#include "xapid/vm/placement.h"
#include "xapid/vm/record.h"
#include "xapid/vm/spec.h"
#include "xapid/vm/squeeze.h"

enum { HEAD_MS = 10 * 1000, FIRST_MS = 60 * 1000 };

/* One conversation. */
struct receiving {
    struct receiving *next;
    struct fiber *fiber;
    struct arrival arrival;
    struct talk talk;
    json_t *first; /* what the source began with, which is looked at later, too */
    struct hv_reception reception;
    struct hv_passage passage;
    struct op op, *disk_ops;
    bool made, awaited; /* rows are there; a guest is awaited */
    bool refused;       /* it is not to be decided any more */
    bool decided;       /* to its good */
};

static struct receiving *conversations;
static struct fiber_cond ended = FIBER_COND_INIT(ended);

static void join_list(struct receiving *r)
{
    r->fiber = fiber_self();
    r->next = conversations;
    conversations = r;
}

static void leave_list(struct receiving *r)
{
    for (struct receiving **at = &conversations; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    fiber_cond_broadcast(&ended);
}

static struct receiving *find(const char *id)
{
    for (struct receiving *r = conversations; r; r = r->next)
        if (strcmp(r->arrival.id, id) == 0)
            return r;
    return NULL;
}

/* Make sure that an attempt which has not decided never will: it is ended, and waited for. 0 or -errno. */
static int co_refuse(const char *id)
{
    struct receiving *r;
    int rc = 0;

    while (rc == 0 && (r = find(id)) && !r->decided) {
        r->refused = true;
        fiber_cancel(r->fiber);
        rc = co_cond_wait(&ended, CLOCK_NEVER, "crossing %s to end, which was cancelled", id);
    }
    return rc;
}

/* ---- begin ---- */

static const char *address_of(struct receiving *r, struct err *e)
{
    struct arrival *a = &r->arrival;

    return move_address(a->c->x, a->host, migrate_network_of(a->c->x, a->host, a->url), e);
}

static void mark(struct receiving *r)
{
    struct arrival *a = &r->arrival;

    op_mark(a->c->db, CLASS_VM, a->vm, VM_OPERATIONS_MIGRATE_SEND, a->c->task, &r->op);
    r->disk_ops = talloc_zero_array(a->c->mem, struct op, a->rows.n + 1);
    for (unsigned i = 0; i < a->rows.n; i++)
        op_mark(a->c->db, CLASS_VDI, a->rows.disks[i].record->ref, VDI_OPERATIONS_MIRROR, a->c->task,
                &r->disk_ops[i]);
}

/* Nobody is to take the same name twice. */
static int check_new(struct receiving *r, const char *id, struct err *e)
{
    const struct pool *pool = db_pool(r->arrival.c->db, r->arrival.c->x->pool);

    return find(id) || map_get(pool->crossings, id) ? err_invalid_value(e, "crossing", "id") : 0;
}

static json_t *co_make(struct receiving *r, struct err *e)
{
    struct arrival *a = &r->arrival;
    struct xapid *x = a->c->x;
    const char *request = json_string_value(json_object_get(a->told, "request"));
    const char *address = address_of(r, e);
    char *certificate;

    if (!address ||
        authority_sign_visitor(x->authority, a->c->mem, request ? request : "", a->id, &certificate, e) < 0 ||
        co_arrival_make(a, e) < 0)
        return NULL;
    r->made = true;
    mark(r);
    const struct host *host = db_host(x->db, a->host);
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "authority", authority_export(x->authority).ca_cert,
                     "certificate", certificate, "address", host ? text_of(host->address) : address, "host",
                     host ? host->uuid : "", "port", (int)x->port);
}

static json_t *co_begin(struct receiving *r, struct call *c, const json_t *told, struct err *e)
{
    const char *id = json_string_value(json_object_get(told, "id"));

    r->arrival.c = c;
    if (r->made || check_new(r, id ? id : "", e) < 0 || arrival_read(&r->arrival, c, told, e) < 0)
        return NULL;
    if (!json_is_true(json_object_get(told, "check")))
        return co_make(r, e);
    return arrival_check(&r->arrival, e) < 0 ? NULL : json_object();
}

/* ---- what comes ---- */

static json_t *co_await_disk(struct receiving *r, const json_t *told, struct err *e)
{
    const char *id = json_string_value(json_object_get(told, "id")), *ticket;
    struct arrival *a = &r->arrival;
    int i = arrival_disk(a, id ? id : "");

    if (i < 0 || a->mirrored[i]) {
        err_invalid_value(e, "crossing", "disk");
        return NULL;
    }
    const struct sr_handle *h = &a->places[i];
    if (co_agent_vdi_await(h->agent, &(struct agent_place){h->sm, a->rows.disks[i].sm.location}, a->c->mem,
                           &ticket, e) < 0)
        return NULL;
    const struct host *host = db_host(a->c->db, h->host);
    return json_pack("{s:s, s:s, s:s, s:i}", "ticket", ticket, "address", host ? text_of(host->address) : "",
                     "host", host ? host->uuid : "", "port", (int)a->c->x->port);
}

/* Numbers of the drives whose disks are mirrored. */
static void find_mirrors(struct receiving *r)
{
    struct arrival *a = &r->arrival;
    unsigned *mirrors = talloc_zero_array(a->c->mem, unsigned, a->rows.n + 1);

    r->passage.n_mirrors = 0;
    FOREACH_REFERRER (a->c->db, vbd, vbd, VBD, VM, a->vm)
        for (unsigned i = 0; i < a->rows.n; i++)
            if (a->mirrored[i] && ref_equal(vbd->VDI, a->rows.disks[i].record->ref))
                mirrors[r->passage.n_mirrors++] = (unsigned)device_number(vbd->userdevice);
    r->passage.mirrors = mirrors;
}

static int describe(struct receiving *r, struct agent_vm_spec *spec, struct err *e)
{
    struct arrival *a = &r->arrival;
    const struct vm *vm = (const struct vm *)call_row(a->c, CLASS_VM, a->vm, e);
    const struct vm_start_options o = {.paused = a->paused, .only_attached = true};
    const char *address = vm ? address_of(r, e) : NULL;

    if (!address || move_options_read(a->options, &r->passage.options, e) < 0 ||
        vm_build_spec(a->c->x, a->c->mem, vm, a->host, &o, spec, e) < 0)
        return -1;
    r->passage.address = talloc_strdup(a->c->mem, address);
    memcpy(r->passage.source, a->id, sizeof r->passage.source);
    memcpy(r->passage.destination, db_host(a->c->db, a->host)->uuid, sizeof r->passage.destination);
    find_mirrors(r);
    return 0;
}

static json_t *co_await_guest(struct receiving *r, struct err *e)
{
    struct arrival *a = &r->arrival;
    struct agent_vm_spec spec;
    struct agent *agent = NULL;

    if (a->up && placement_reserve(a->c->x, a->vm, a->host, e) == 0 &&
        co_squeeze_make_room(a->c, a->vm, a->host, e) == 0)
        agent = host_agent(a->c->x, a->host, e);
    if (!agent || describe(r, &spec, e) < 0) {
        if (!err_is_set(e))
            err_invalid_value(e, "crossing", "receive");
        return NULL;
    }
    r->awaited = true; /* also when this fails half-way */
    if (co_agent_vm_receive(agent, &spec, &r->passage, &r->reception, e) < 0)
        return NULL;
    return json_pack("{s:s, s:i, s:i}", "address", r->passage.address, "memory_port",
                     (int)r->reception.memory_port, "disk_port", (int)r->reception.disk_port);
}

static const char *uuid_of(struct receiving *r, struct err *e)
{
    const struct vm *vm = (const struct vm *)call_row(r->arrival.c, CLASS_VM, r->arrival.vm, e);

    return vm ? talloc_strdup(r->arrival.c->mem, vm->uuid) : NULL;
}

static json_t *co_switch(struct receiving *r, struct err *e)
{
    struct agent *agent = r->awaited ? host_agent(r->arrival.c->x, r->arrival.host, e) : NULL;
    const char *uuid = agent ? uuid_of(r, e) : NULL;

    if (!agent && !err_is_set(e))
        err_invalid_value(e, "crossing", "switch");
    return uuid && co_agent_vm_move_switch(agent, uuid, e) == 0 ? json_object() : NULL;
}

/* ---- the decision ---- */

static int record(struct receiving *r, const struct vm_guest *guest, struct err *e)
{
    struct arrival *a = &r->arrival;
    const struct vm *vm = (const struct vm *)call_row(a->c, CLASS_VM, a->vm, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(a->c->db);
    const struct pool *pool = db_pool(a->c->db, a->c->x->pool);
    if (guest)
        vm_record_started(t, a->c->x, vm, guest);
    arrival_record(t, a);
    pool_set_crossings(t, pool,
                       map_with(a->c->mem, pool->crossings, a->id, crossing_decided_write(a->c->mem, a->vm)));
    vm_post_message(t, vm, "VM_MIGRATED");
    if (db_commit(t, e) < 0)
        return -1;
    squeeze_look_anew(a->host);
    return 0;
}

static int record_return(struct receiving *r, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct arrival *a = &r->arrival;
    const struct vm *vm = (const struct vm *)call_row(a->c, CLASS_VM, a->vm, e);

    if (!vm)
        return -1;
    struct txn *t = db_begin(a->c->db);
    const struct pool *pool = db_pool(a->c->db, a->c->x->pool);
    vm_record_stopped(t, vm);
    arrival_record_return(t, a);
    pool_set_crossings(t, pool, map_without(mem, pool->crossings, a->id));
    return db_commit(t, e);
}

static int co_look(struct receiving *r, struct vm_guest *guest, struct err *e)
{
    struct arrival *a = &r->arrival;
    const char *uuid = uuid_of(r, e);

    if (!r->awaited)
        return err_invalid_value(e, "crossing", "commit");
    if (!uuid || co_vm_guest_look(a->c->x, a->c->mem, a->host, uuid, &r->reception.facts, guest, e) < 0)
        return -1;
    guest->facts.state = a->paused ? HV_STATE_PAUSED : HV_STATE_RUNNING;
    return 0;
}

/* The guest has come to nothing before it ran here, for certain: the source, which has it whole, keeps it.
 * Not once its memory is on both hosts. */
static bool co_give_back(struct receiving *r, struct agent *agent, const char *uuid)
{
    CLEANUP_ERR struct err e = {0};

    if (r->passage.options.post_copy || co_agent_vm_stop(agent, uuid, &e) < 0 || record_return(r, &e) < 0)
        return false;
    co_record_durable(r->arrival.c->x);
    return true;
}

/* False: it is the source's still. */
static bool co_let_run(struct receiving *r, struct err *e)
{
    struct agent *agent = host_agent(r->arrival.c->x, r->arrival.host, e);
    const char *uuid = agent ? uuid_of(r, e) : NULL;
    bool ran;

    if (uuid && co_move_accept(agent, uuid, &ran, e) < 0) {
        if (!ran && co_give_back(r, agent, uuid))
            return false;
        log_warning("VM %s has arrived, and does not run: %s", uuid, e->code);
    }
    co_lifecycle_look_again(r->arrival.c->x, r->arrival.vm);
    return true;
}

static json_t *fail_lost(const struct receiving *r, struct err *e)
{
    err_clear(e);
    err_vm_migrate_failed(e, r->arrival.name, "", REF_TEXT(r->arrival.host),
                          "the guest was lost at the destination before it ran there");
    return NULL;
}

static json_t *co_commit(struct receiving *r, struct err *e)
{
    struct arrival *a = &r->arrival;
    CLEANUP_ERR struct err failed = {0};
    struct vm_guest guest;

    if (!r->made || r->decided) {
        err_invalid_value(e, "crossing", "commit");
        return NULL;
    }
    if ((a->up && co_look(r, &guest, e) < 0) || r->refused || record(r, a->up ? &guest : NULL, e) < 0) {
        if (!err_is_set(e))
            err_task_cancelled(e, REF_TEXT(a->c->task));
        return NULL;
    }
    fiber_mask_cancel();
    co_record_durable(a->c->x);
    r->decided = !a->up || co_let_run(r, &failed);
    fiber_unmask_cancel();
    if (!r->decided)
        return fail_lost(r, e);
    json_t *answer = json_pack("{s:s}", "vm", REF_TEXT(a->vm));
    if (err_is_set(&failed))
        json_object_set_new(answer, "failed", codec_encode_error(&failed));
    return answer;
}

/* ---- the conversation ---- */

static json_t *co_answer(struct receiving *r, struct call *c, const json_t *told, struct err *e)
{
    const char *what = json_string_value(json_object_get(told, "do"));

    if (!what)
        what = "";
    if (strcmp(what, "begin") == 0)
        return co_begin(r, c, told, e);
    if (r->made && strcmp(what, "disk") == 0)
        return co_await_disk(r, told, e);
    if (r->made && strcmp(what, "receive") == 0)
        return co_await_guest(r, e);
    if (r->made && strcmp(what, "switch") == 0)
        return co_switch(r, e);
    if (strcmp(what, "commit") == 0)
        return co_commit(r, e);
    if (r->decided && strcmp(what, "done") == 0)
        return co_crossing_forget(c->x, r->arrival.id, e) < 0 ? NULL : json_object();
    err_invalid_value(e, "crossing", what);
    return NULL;
}

static void co_converse(struct receiving *r, struct call *c)
{
    CLEANUP_ERR struct err lost = {0};
    int64_t deadline = clock_in_ms(FIRST_MS);

    while (!r->talk.broken) {
        CLEANUP_ERR struct err e = {0};
        json_t *told = co_talk_hear(&r->talk, deadline, &lost);
        if (!told)
            return;
        if (!r->first)
            r->first = json_incref(told);
        json_t *result = co_answer(r, c, told, &e);
        json_t *answer = result ? json_pack("{s:o}", "result", result)
                                : json_pack("{s:o}", "error", codec_encode_error(&e));
        json_decref(told);
        if (co_talk_say(&r->talk, answer, &lost) < 0)
            return;
        deadline = CLOCK_NEVER; /* the source has a lot to do; the connection tells when it is gone */
    }
}

/* An attempt that came to nothing leaves nothing. */
static void co_end(struct receiving *r)
{
    struct arrival *a = &r->arrival;
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err second = {0};

    if (r->made && !r->decided) {
        struct agent *agent = r->awaited ? host_agent(a->c->x, a->host, &e) : NULL;
        const char *uuid = agent ? uuid_of(r, &e) : NULL;
        if (uuid && co_agent_vm_stop(agent, uuid, &e) < 0)
            log_warning("ending guest %s, which was to arrive: %s", uuid, e.code);
        if (co_vm_whole_remove(a->c->x, a->vm, &second) < 0)
            log_warning("removing a VM that was arriving: %s", second.code);
    }
    for (unsigned i = 0; r->disk_ops && i < a->rows.n; i++)
        op_end(&r->disk_ops[i]);
    op_end(&r->op);
    json_decref(r->first);
}

/* Notice that the source is gone without a word. */
static void watch_peer(int fd)
{
    int on = 1, idle = TALK_SILENCE_MS / 5000, interval = idle, count = 4;
    unsigned give_up_ms = TALK_SILENCE_MS;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms, sizeof give_up_ms);
}

static void co_receive(struct call *c, struct http_stream *s)
{
    struct receiving *r = talloc_zero(c->mem, struct receiving);

    r->talk.answering = s;
    watch_peer(stream_fd(s));
    join_list(r);
    co_converse(r, c);
    fiber_mask_cancel();
    co_end(r);
    fiber_unmask_cancel();
    leave_list(r);
}

void co_crossing_serve(struct http_request *q, struct http_stream *s, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct http_reply head = {0};
    struct call c;

    if (co_http_auth(q, arg, &c, &e) < 0)
        (void)co_stream_send_error(q, s, 401, "This session is not valid.", clock_in_ms(HEAD_MS));
    else if (http_auth_may(&c, "host.migrate_receive", &e) < 0)
        (void)co_stream_send_error(q, s, 403, "You may not receive VMs.", clock_in_ms(HEAD_MS));
    else if (co_stream_send_head(s, &head, -1, clock_in_ms(HEAD_MS)) == 0)
        co_receive(&c, s);
    http_auth_end(&c);
}

/* ---- who asks what was decided ---- */

static void answer(struct http_reply *reply, json_t *j)
{
    reply->content_type = "application/json";
    codec_write(&reply->body, j);
}

/* The name of the crossing whose source asks the coordinator; NULL: the reply is filled. */
static const char *asked(struct http_request *q, struct http_reply *reply, const struct xapid *x)
{
    const char *id = visitor_identify(q);

    if (!id)
        http_reply_error(q, reply, 403, "This is for visitors.");
    else if (x->membership.member)
        answer(reply, json_pack("{s:s}", "coordinator", x->membership.coordinator));
    return x->membership.member ? NULL : id;
}

void co_crossing_outcome_post(struct http_request *q, struct http_reply *reply, void *arg)
{
    struct xapid *x = arg;
    const char *id = asked(q, reply, x);

    if (!id)
        return;
    if (co_refuse(id) < 0) {
        http_reply_error(q, reply, 503, "This is not known yet.");
        return;
    }
    co_record_durable(x);
    struct ref vm = crossing_decided_read(map_get(db_pool(x->db, x->pool)->crossings, id));
    answer(reply, ref_is_null(vm) ? json_pack("{s:b}", "committed", false)
                                  : json_pack("{s:b, s:s}", "committed", true, "vm", REF_TEXT(vm)));
}

void co_crossing_done_post(struct http_request *q, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    const char *id = asked(q, reply, arg);

    if (id && co_crossing_forget(arg, id, &e) == 0)
        answer(reply, json_object());
    else if (id)
        http_reply_error(q, reply, 503, "This cannot be written down now.");
}
