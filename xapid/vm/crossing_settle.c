/* What became of a VM that was on its way between two pools when a daemon, or the connection, ended. */
#include <errno.h>
#include <inttypes.h>
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
#include "xapid/pool/host_certificates.h"
#include "xapid/reftext.h"
#include "xapid/vm/crossing.h"
#include "xapid/vm/lifecycle.h"
#include "xapid/vm/record.h"
#include "xapid/vm/vm.h"

enum { RETRY_MS = 500, RETRY_MAX_MS = 10 * 1000, DONE_MS = 3600 * 1000, MAX_REPLY = 4096 };

/* ---- the note ---- */

char *crossing_note_write(void *ctx, const struct crossing_note *n)
{
    CLEANUP_BUF struct buf out = {0};

    codec_write(&out, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s}", "id", n->id, "address", n->address,
                                "other_address", n->other_address, "port", (int)n->port, "authority",
                                n->credentials.authority, "certificate", n->credentials.certificate, "key",
                                n->credentials.key));
    return talloc_strdup(ctx, buf_cstr(&out));
}

static int read_note(void *ctx, const char *text, struct crossing_note *ret)
{
    CLEANUP_ERR struct err ignored = {0};
    json_t *j = codec_parse(text, strlen(text), &ignored);
    struct crossing_note n;
    int port;
    int r =
        json_unpack(j, "{s:s, s:s, s:s, s:i, s:s, s:s, s:s}", "id", &n.id, "address", &n.address,
                    "other_address", &n.other_address, "port", &port, "authority", &n.credentials.authority,
                    "certificate", &n.credentials.certificate, "key", &n.credentials.key);

    if (r == 0)
        *ret = (struct crossing_note){.id = talloc_strdup(ctx, n.id),
                                      .address = talloc_strdup(ctx, n.address),
                                      .other_address = talloc_strdup(ctx, n.other_address),
                                      .port = (uint16_t)port,
                                      .credentials = {talloc_strdup(ctx, n.credentials.authority),
                                                      talloc_strdup(ctx, n.credentials.certificate),
                                                      talloc_strdup(ctx, n.credentials.key)}};
    json_decref(j);
    return r;
}

static bool is_note(const char *text)
{
    return text[0] == '{';
}

bool crossing_is_leaving(const struct vm *vm)
{
    return is_note(text_of(vm->crossing));
}

/* ---- pool.crossings ---- */

char *crossing_decided_write(void *ctx, struct ref vm)
{
    return talloc_asprintf(ctx, "%s %" PRId64, REF_TEXT(vm),
                           clock_wall() + (int64_t)AUTHORITY_VISITOR_DAYS * 86400);
}

struct ref crossing_decided_read(const char *text)
{
    char ref[REF_TEXT_SIZE];
    struct ref vm;

    snprintf(ref, sizeof ref, "%.*s", text ? (int)strcspn(text, " ") : 0, text ? text : "");
    return ref_parse(ref, &vm) ? vm : REF_NULL;
}

bool crossings_are_open(struct xapid *x)
{
    const struct map *all = db_pool(x->db, x->pool)->crossings;

    for (uint32_t i = 0; i < map_count(all); i++)
        if (!is_note(text_of(all->e[i].v.s)))
            return true;
    DB_FOREACH_VM (x->db, vm)
        if (text_of(vm->crossing)[0] && !crossing_is_leaving(vm))
            return true;
    return false;
}

static bool is_over(void *ctx, const char *text)
{
    const char *until = strchr(text, ' ');
    struct crossing_note n;

    if (is_note(text))
        return read_note(ctx, text, &n) < 0 || visitor_is_over(&n.credentials);
    return until && strtoll(until, NULL, 10) < clock_wall();
}

static int set_crossings(struct xapid *x, const struct map *m, struct err *e)
{
    struct txn *t = db_begin(x->db);

    pool_set_crossings(t, db_pool(x->db, x->pool), m);
    return db_commit(t, e);
}

int co_crossing_forget(struct xapid *x, const char *id, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct pool *pool = db_pool(x->db, x->pool);

    if (!map_get(pool->crossings, id))
        return 0;
    if (set_crossings(x, map_without(mem, pool->crossings, id), e) < 0)
        return -1;
    co_record_durable(x);
    host_certificates_look();
    return 0;
}

/* Whom to tell that the VM is gone, before it is: if the daemon ends, the next one tells. */
static int note_gone(struct xapid *x, const struct vm *vm, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct crossing_note n;

    return read_note(mem, text_of(vm->crossing), &n) < 0
               ? 0
               : set_crossings(x, map_with(mem, db_pool(x->db, x->pool)->crossings, n.id, vm->crossing), e);
}

/* ---- asking ---- */

/* NULL when nobody answers there. */
static json_t *co_post(const struct crossing_note *n, const char *address, const char *target)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf body = {0};
    SSL_CTX *context = NULL;
    unsigned status = 0;

    if (visitor_context(&n->credentials, &context, &e) < 0)
        return NULL;
    struct rpc_client *c = visitor_client(context, address, n->port, NULL);
    int r = co_http_exchange(c, "POST", target, NULL, "", 0, MAX_REPLY, &status, &body, &e);
    rpc_client_free(c);
    SSL_CTX_free(context);
    return r == 0 && status == 200 ? codec_parse(body.data, body.len, &e) : NULL;
}

/* At the coordinator of the other pool, to which any of its hosts directs. */
static json_t *co_post_somewhere(const struct crossing_note *n, const char *target)
{
    const char *addresses[] = {n->address, n->other_address, NULL};
    json_t *answer = NULL;

    for (unsigned i = 0; !answer && addresses[i]; i++) {
        answer = co_post(n, addresses[i], target);
        const char *other = json_string_value(json_object_get(answer, "coordinator"));
        if (other) {
            json_t *first = answer;
            answer = co_post(n, other, target);
            json_decref(first);
        }
    }
    return answer;
}

static enum crossing_outcome co_ask(const struct crossing_note *n, struct ref *ret)
{
    json_t *answer = co_post_somewhere(n, "/crossing/outcome");
    const json_t *committed = json_object_get(answer, "committed");
    const char *vm = json_string_value(json_object_get(answer, "vm"));
    enum crossing_outcome outcome = CROSSING_UNKNOWN;

    if (json_is_false(committed))
        outcome = CROSSING_ABORTED;
    else if (json_is_true(committed) && vm && ref_parse(vm, ret))
        outcome = CROSSING_COMMITTED;
    json_decref(answer);
    return outcome;
}

enum crossing_outcome co_crossing_outcome(const struct crossing_note *n, int64_t deadline, struct ref *ret)
{
    enum crossing_outcome outcome;
    int64_t pause = RETRY_MS;

    while ((outcome = co_ask(n, ret)) == CROSSING_UNKNOWN && clock_now() < deadline) {
        if (co_sleep_until(clock_in_ms(pause), "the other pool to tell where a VM belongs") < 0)
            break;
        pause = pause * 2 < RETRY_MAX_MS ? pause * 2 : RETRY_MAX_MS;
    }
    return outcome;
}

struct telling {
    struct xapid *x;
    struct crossing_note note;
};

/* What comes to nothing within the time is tried again from the next start on. */
static void co_tell_done(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct telling *t = arg;
    int64_t pause = RETRY_MS, deadline = clock_in_ms(DONE_MS);
    json_t *answer;

    while (!(answer = co_post_somewhere(&t->note, "/crossing/done")) && clock_now() < deadline) {
        if (co_sleep_until(clock_in_ms(pause), "the other pool to hear that a VM is gone here") < 0)
            break;
        pause = pause * 2 < RETRY_MAX_MS ? pause * 2 : RETRY_MAX_MS;
    }
    if (answer && co_crossing_forget(t->x, t->note.id, &e) < 0)
        log_warning("forgetting that a VM has left: %s", err_text(t, &e));
    json_decref(answer);
    talloc_free(t);
}

void crossing_done_later(struct xapid *x, const struct crossing_note *n)
{
    CLEANUP_TALLOC char *text = crossing_note_write(NULL, n);
    struct telling *t = talloc_zero(NULL, struct telling);

    t->x = x;
    if (read_note(t, text, &t->note) == 0)
        fiber_spawn("crossing is done", co_tell_done, t);
    else
        talloc_free(t);
}

/* ---- acting on it ---- */

/* Its host may be away: then the guest is ended when that is back, as one that no VM stands for. */
static void co_end_guest(struct xapid *x, const struct vm *vm, bool post_copy)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    CLEANUP_ERR struct err second = {0};
    const char *uuid = talloc_strdup(mem, vm->uuid);
    struct agent *agent = vm_agent(x, vm->row.ref, &e);

    if (agent && post_copy && co_agent_vm_move_drain(agent, uuid, NULL, NULL, &e) < 0)
        log_warning("the memory of VM %s: %s", uuid, err_text(mem, &e));
    if (agent && co_agent_vm_stop(agent, uuid, &second) < 0)
        log_warning("ending VM %s where it has left: %s", uuid, err_text(mem, &second));
}

int co_crossing_left(struct xapid *x, struct ref ref, bool post_copy, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (vm && vm_is_up(vm))
        co_end_guest(x, vm, post_copy);
    vm = db_vm(x->db, ref);
    return vm && note_gone(x, vm, e) < 0 ? -1 : co_vm_whole_remove(x, ref, e);
}

static int forget(struct xapid *x, struct ref ref, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (!vm || !text_of(vm->crossing)[0])
        return 0;
    struct txn *t = db_begin(x->db);
    vm_set_crossing(t, vm, "");
    return db_commit(t, e);
}

int co_crossing_stays(struct xapid *x, struct ref ref, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (vm && vm_is_up(vm)) {
        CLEANUP_TALLOC char *uuid = talloc_strdup(NULL, vm->uuid);
        struct agent *agent = vm_agent(x, ref, e);
        if (!agent || (co_agent_vm_move_cancel(agent, uuid, e) < 0 && !err_is(e, "VM_BAD_POWER_STATE")))
            return -1;
        err_clear(e);
    }
    return forget(x, ref, e);
}

/* ---- later ---- */

struct settling {
    struct xapid *x;
    struct ref vm;
    struct fiber *fiber;
    bool given_up;
    struct settling *next;
};

static struct settling *under_way;

static void remove_from_list(struct settling *s)
{
    for (struct settling **at = &under_way; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            return;
        }
}

/* Its host may be away for now. */
static void co_let_stay(struct settling *s)
{
    for (;;) {
        CLEANUP_ERR struct err e = {0};
        if (co_crossing_stays(s->x, s->vm, &e) == 0 ||
            co_sleep_until(clock_in_ms(RETRY_MS), "the host of a VM that stays") < 0)
            return;
    }
}

static void co_settle_leaving(struct settling *s)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const struct vm *vm = db_vm(s->x->db, s->vm);
    struct crossing_note n;
    struct ref there;

    if (!vm)
        return;
    const char *vm_uuid = talloc_strdup(mem, vm->uuid);
    log_info("VM %s is on its way to another pool, which is asked about it", vm_uuid);
    if (read_note(mem, vm->crossing, &n) < 0)
        return;
    switch (co_crossing_outcome(&n, CLOCK_NEVER, &there)) {
    case CROSSING_COMMITTED:
        fiber_mask_cancel();
        if (co_crossing_left(s->x, s->vm, true, &e) < 0)
            log_warning("removing a VM that has left: %s", err_text(mem, &e));
        else
            crossing_done_later(s->x, &n);
        fiber_unmask_cancel();
        return;
    case CROSSING_ABORTED:
        co_let_stay(s);
        return;
    case CROSSING_UNKNOWN: /* the daemon ends, or */
        if (s->given_up) {
            log_warning("VM %s is taken for this pool's by hand", vm_uuid);
            (void)forget(s->x, s->vm, &e);
        }
    }
}

static void co_settle(void *arg)
{
    struct settling *s = arg;
    CLEANUP_OP struct op op = {0};

    op_mark(s->x->db, CLASS_VM, s->vm, VM_OPERATIONS_MIGRATE_SEND, REF_NULL, &op);
    co_settle_leaving(s);
    fiber_mask_cancel();
    op_end(&op);
    remove_from_list(s);
    co_lifecycle_look_again(s->x, s->vm);
    fiber_unmask_cancel();
    free(s);
}

void crossing_settle_later(struct xapid *x, struct ref vm)
{
    struct settling *s = mem_zalloc(sizeof *s);

    *s = (struct settling){.x = x, .vm = vm, .next = under_way};
    under_way = s;
    s->fiber = fiber_spawn("crossing", co_settle, s);
}

void crossing_give_up(struct xapid *x, struct ref vm)
{
    for (struct settling *s = under_way; s; s = s->next)
        if (ref_equal(s->vm, vm)) {
            s->given_up = true;
            fiber_cancel(s->fiber);
        }
}

/* ---- at the start ---- */

/* Is the VM still here, so that it must not be told yet that it is gone? */
static bool is_still_here(struct xapid *x, const char *note)
{
    DB_FOREACH_VM (x->db, vm)
        if (strcmp(text_of(vm->crossing), note) == 0)
            return true;
    return false;
}

/* On ctx; an entry of a daemon that gave it no time is given one. */
static char *timed(void *ctx, const char *text)
{
    struct ref vm = crossing_decided_read(text);

    return ref_is_null(vm) || strchr(text, ' ') ? talloc_strdup(ctx, text) : crossing_decided_write(ctx, vm);
}

/* Those that nobody can ask about any more are forgotten; of those that are done the other pool is told. */
static void settle_list(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const struct map *all = db_pool(x->db, x->pool)->crossings;
    struct map *keep = NULL;

    for (uint32_t i = 0; i < map_count(all); i++)
        if (!is_over(mem, text_of(all->e[i].v.s)))
            keep = map_with(mem, keep, talloc_strdup(mem, all->e[i].k.s), timed(mem, all->e[i].v.s));
    if (map_count(all) > 0 && set_crossings(x, keep, &e) < 0)
        log_warning("forgetting moves of VMs between pools: %s", err_text(mem, &e));
    for (uint32_t i = 0; i < map_count(keep); i++) {
        struct crossing_note n;
        if (is_note(keep->e[i].v.s) && !is_still_here(x, keep->e[i].v.s) &&
            read_note(mem, keep->e[i].v.s, &n) == 0)
            crossing_done_later(x, &n);
    }
}

static const struct set *crossing_vms(struct xapid *x, void *mem)
{
    struct set *found = talloc_zero_size(mem, sizeof *found + db_count(x->db, CLASS_VM) * sizeof found->v[0]);

    DB_FOREACH_VM (x->db, vm)
        if (text_of(vm->crossing)[0])
            found->v[found->n++].r = vm->row.ref;
    return found;
}

void co_crossings_settle(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const struct set *vms = crossing_vms(x, mem);

    settle_list(x);
    for (uint32_t i = 0; i < vms->n; i++) {
        CLEANUP_ERR struct err e = {0};
        const struct vm *vm = db_vm(x->db, vms->v[i].r);
        if (vm && crossing_is_leaving(vm))
            crossing_settle_later(x, vm->row.ref);
        else if (vm && co_vm_whole_remove(x, vm->row.ref, &e) < 0)
            log_warning("removing a VM that was arriving: %s", err_text(mem, &e));
    }
}
