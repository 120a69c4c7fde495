/* A guest leaves for another host: the source's part. The destination's is in receive.c. */
#include "hv/qemu/move.h"
#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "hv/qemu/migration.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "model/errors.gen.h"

/* What the guest may notice. One that changes its memory faster than the wire takes it is given more: the
 * limit is doubled at this pass over its memory, and again after some more, up to the last. */
#define DOWNTIME_MS 300
#define DOWNTIME_LAST_MS 19200
#define RAISED_AT_PASS 5
#define PASSES_BETWEEN 2
#define SWITCH_MS 60000   /* for what is left when the guest stands still already */
#define MIRRORS_SHARE 0.8 /* of a move's progress, when there are any */
#define CHANNELS_MAX 16
#define MENDED_IN 9 /* QEMU 9.0 */

/* ---- how ---- */

bool qemu_moves_beside(bool kvm, int64_t qemu_major)
{
    return kvm || qemu_major >= MENDED_IN;
}

static int co_ask_beside(struct qemu_vm *vm, bool *ret, struct err *e)
{
    json_t *kvm = NULL, *version = NULL;
    int r = co_qemu_ask(vm, "query-kvm", NULL, &kvm, e);

    if (r == 0)
        r = co_qemu_ask(vm, "query-version", NULL, &version, e);
    *ret = qemu_moves_beside(json_is_true(json_object_get(kvm, "enabled")),
                             json_integer_value(json_object_get(json_object_get(version, "qemu"), "major")));
    json_decref(kvm);
    json_decref(version);
    return r;
}

/* Compression comes with several connections only, and those do not go with post-copy. */
static bool has_channels(const struct hv_passage_options *o)
{
    return (o->channels > 1 || o->compress) && !o->post_copy;
}

unsigned qemu_passage_capabilities(const struct hv_passage *p)
{
    return CAP_EVENTS | CAP_RETURN_PATH | (p->options.post_copy ? CAP_POST_COPY : 0) |
           (has_channels(&p->options) ? CAP_MULTIFD : 0);
}

json_t *qemu_passage_parameters(const struct hv_passage *p)
{
    unsigned channels = p->options.channels < 1              ? 1
                        : p->options.channels > CHANNELS_MAX ? CHANNELS_MAX
                                                             : p->options.channels;

    return json_pack("{s:i, s:s}", "multifd-channels", (int)channels, "multifd-compression",
                     p->options.compress ? "zlib" : "none");
}

char *qemu_tcp_uri(void *ctx, const char *address, unsigned port)
{
    char *uri = talloc_asprintf(ctx, strchr(address, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", address, port);

    if (!uri)
        mem_abort();
    return uri;
}

/* ---- errors ---- */

int qemu_move_failed(struct err *e, const char *uuid, const char *source, const char *destination)
{
    struct err inner = *e;

    if (!err_is(e, "INTERNAL_ERROR"))
        return -1;
    *e = (struct err){0};
    err_vm_migrate_failed(e, uuid, source, destination, inner.n_params > 0 ? inner.params[0] : "");
    err_clear(&inner);
    return -1;
}

int co_qemu_move_step(struct hv *hv, const char *uuid, co_qemu_change *co_do, void *arg, struct err *e)
{
    const struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)hv, uuid);
    struct qemu_passage before = vm ? vm->passage : (struct qemu_passage){0};

    return co_qemu_with_guest(hv, uuid, co_do, arg, e) < 0
               ? qemu_move_failed(e, uuid, before.source, before.destination)
               : 0;
}

static int fail_not_leaving(const struct qemu_vm *vm, struct err *e)
{
    err_internal(e, "%s is not leaving", vm->uuid);
    return -EINVAL;
}

/* ---- prepare ---- */

struct departure {
    const struct hv_passage *p;
    hv_progress_fn *progress;
    void *arg;
    double begin, share; /* of the whole, for the part that is under way */
    unsigned limit_ms;   /* of what the guest may notice, as far as it is ours to say; 0: it was given */
    unsigned raise_at;   /* pass */
};

static void pass_progress(double done, void *arg)
{
    const struct departure *d = arg;

    if (d->progress)
        d->progress(d->begin + done * d->share, d->arg);
}

static int co_set_parameters(struct qemu_vm *vm, const struct hv_passage *p, bool beside, struct err *e)
{
    const struct hv_passage_options *o = &p->options;
    unsigned capabilities = qemu_passage_capabilities(p) | CAP_PAUSE;
    json_t *parameters = qemu_passage_parameters(p);
    int r =
        co_qemu_set_capabilities(vm, capabilities | (beside && o->auto_converge ? CAP_AUTO_CONVERGE : 0), e);

    json_object_set_new(parameters, "max-bandwidth",
                        json_integer(o->bandwidth > 0 ? o->bandwidth : QEMU_BANDWIDTH_MAX));
    json_object_set_new(parameters, "downtime-limit",
                        json_integer(o->downtime_ms > 0 ? o->downtime_ms : DOWNTIME_MS));
    json_object_set_new(parameters, "tls-creds", json_string(QEMU_CREDS_OUT));
    json_object_set_new(parameters, "tls-hostname", json_string(p->destination));
    if (r == 0)
        return co_qemu_ask(vm, "migrate-set-parameters", parameters, NULL, e);
    json_decref(parameters);
    return r;
}

static int co_mirror_disks(struct qemu_vm *vm, struct departure *d, struct err *e)
{
    int r = co_qemu_begin_mirrors(vm, d->p, e);

    d->begin = 0;
    d->share = d->p->n_mirrors > 0 ? MIRRORS_SHARE : 0;
    if (r == 0)
        r = co_qemu_wait_mirrors(vm, d->p, pass_progress, d, e);
    d->begin = d->share;
    d->share = 1 - d->begin;
    return r;
}

/* A limit that was asked for is kept. What cannot be moved within the last limit either has to stand still,
 * or it would never be over. */
static int co_steer(struct qemu_vm *vm, void *arg, struct err *e)
{
    struct departure *d = arg;

    if (d->limit_ms == 0 || vm->passes < d->raise_at)
        return 0;
    d->raise_at = vm->passes + PASSES_BETWEEN;
    if (d->limit_ms >= DOWNTIME_LAST_MS) {
        log_info("guest %s changes its memory too fast: it stands still until it has moved", vm->uuid);
        d->limit_ms = 0;
        return co_qemu_ask(vm, "stop", NULL, NULL, e);
    }
    d->limit_ms *= 2;
    log_info("guest %s changes its memory too fast: it may stand still for %u ms", vm->uuid, d->limit_ms);
    return co_qemu_ask(vm, "migrate-set-parameters", json_pack("{s:i}", "downtime-limit", (int)d->limit_ms),
                       NULL, e);
}

static int co_send_memory(struct qemu_vm *vm, struct departure *d, bool beside, struct err *e)
{
    const struct qemu_move_wait active = {.until = MOVE_BIT(MOVE_ACTIVE) | MOVE_BIT(MOVE_WAITING),
                                          .deadline = CLOCK_NEVER,
                                          .from = -1,
                                          .stall_ms = QEMU_STALL_MS},
                                waiting = {.until = MOVE_BIT(MOVE_WAITING),
                                           .deadline = CLOCK_NEVER,
                                           .from = -1,
                                           .progress = pass_progress,
                                           .arg = d,
                                           .stall_ms = QEMU_STALL_MS,
                                           .co_steer = co_steer};
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    const char *uri = qemu_tcp_uri(ctx, d->p->address, d->p->memory_port);
    int r = beside || vm->state != HV_STATE_RUNNING ? 0 : co_qemu_ask(vm, "stop", NULL, NULL, e);

    if (r == 0)
        r = co_qemu_ask(vm, "migrate", json_pack("{s:s}", "uri", uri), NULL, e);
    if (r == 0 && d->p->options.post_copy) {
        r = co_qemu_wait_move(vm, &active, e);
        if (r == 0)
            r = co_qemu_ask(vm, "migrate-start-postcopy", NULL, NULL, e);
    }
    return r < 0 ? r : co_qemu_wait_move(vm, &waiting, e);
}

/* All but the last changes, up to the guest's standing still. */
static int co_depart(struct qemu_vm *vm, struct departure *d, struct err *e)
{
    bool beside;
    int r = co_ask_beside(vm, &beside, e);

    if (r == 0)
        r = co_qemu_trust_destination(vm, d->p, e);
    if (r == 0)
        r = co_set_parameters(vm, d->p, beside, e);
    if (r == 0)
        r = co_mirror_disks(vm, d, e);
    if (r == 0)
        r = co_send_memory(vm, d, beside, e);
    return r < 0 ? r : co_qemu_complete_mirrors(vm, d->p, e);
}

static int co_begin_passage(struct qemu_vm *vm, const struct hv_passage *p, struct err *e)
{
    struct qemu_passage passage = {.state = HV_PASSAGE_LEAVING,
                                   .stays_paused = vm->state != HV_STATE_RUNNING};

    memcpy(passage.source, p->source, sizeof passage.source);
    memcpy(passage.destination, p->destination, sizeof passage.destination);
    return qemu_vm_set_passage(vm, &passage, e);
}

/* ---- the way back ---- */

/* The guest first: what is left of the attempt can be cleared away while it runs. */
static int co_go_back(struct qemu_vm *vm, struct err *e)
{
    int r = co_qemu_cancel_move(vm, e);

    if (r == 0 && !vm->gone && !vm->passage.stays_paused)
        r = co_qemu_ask(vm, "cont", NULL, NULL, e);
    if (r == 0 && !vm->gone)
        r = co_qemu_abandon_mirrors(vm, e);
    return r < 0 || vm->gone ? r : qemu_vm_set_passage(vm, &(struct qemu_passage){0}, e);
}

static int co_go_back_masked(struct qemu_vm *vm, struct err *e)
{
    int r;

    fiber_mask_cancel();
    r = co_go_back(vm, e);
    fiber_unmask_cancel();
    return r;
}

static void co_give_up(struct qemu_vm *vm)
{
    CLEANUP_ERR struct err e = {0};

    if (!vm->gone && co_go_back_masked(vm, &e) < 0)
        log_warning("guest %s may stand still after a move that failed: %s", vm->uuid, e.code);
}

/* ---- the steps ---- */

/* Again: all may be done. What a daemon that is gone left half done cannot be taken up, since the destination
 * awaits the guest once only. */
static int co_prepare_again(struct qemu_vm *vm, struct err *e)
{
    enum qemu_move move = MOVE_NONE;
    double done;
    int r = co_qemu_look_at_move(vm, &move, &done, e);

    if (r == 0 && move == MOVE_WAITING)
        r = co_qemu_has_mirrors(vm, e);
    else if (r == 0)
        r = 1;
    if (r <= 0)
        return r;
    co_give_up(vm);
    err_internal(e, "an earlier move of %s was cut short", vm->uuid);
    return -EBUSY;
}

static int co_prepare(struct qemu_vm *vm, void *arg, struct err *e)
{
    struct departure *d = arg;
    int r;

    if (vm->passage.state == HV_PASSAGE_LEFT)
        return 0;
    if (vm->passage.state == HV_PASSAGE_LEAVING)
        return co_prepare_again(vm, e);
    if (vm->passage.state == HV_PASSAGE_ARRIVING)
        return fail_not_leaving(vm, e);
    if (qemu_vm_is_changed(vm)) {
        err_internal(e, "devices or processors of %s were plugged or unplugged since its start", vm->uuid);
        return -EINVAL;
    }
    d->limit_ms = d->p->options.downtime_ms > 0 || d->p->options.post_copy ? 0 : DOWNTIME_MS;
    d->raise_at = RAISED_AT_PASS;
    r = co_begin_passage(vm, d->p, e);
    if (r == 0) {
        r = co_depart(vm, d, e);
        if (r < 0)
            co_give_up(vm);
    }
    return r;
}

int co_qemu_move_prepare(struct hv *hv, const char *uuid, const struct hv_passage *p,
                         hv_progress_fn *progress, void *arg, struct err *e)
{
    struct departure d = {.p = p, .progress = progress, .arg = arg};

    return co_qemu_with_guest(hv, uuid, co_prepare, &d, e) < 0
               ? qemu_move_failed(e, uuid, p->source, p->destination)
               : 0;
}

/* The last changes and the devices. With post-copy memory follows later. */
static int co_switch_over(struct qemu_vm *vm, struct err *e)
{
    const struct qemu_move_wait over = {
        MOVE_BIT(MOVE_DONE) | MOVE_BIT(MOVE_POST_COPY), clock_in_ms(SWITCH_MS), -1, NULL, NULL, 0, NULL};
    enum qemu_move move = MOVE_NONE;
    double done;
    int r = co_qemu_look_at_move(vm, &move, &done, e);

    if (r == 0 && move == MOVE_WAITING)
        r = co_qemu_ask(vm, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"), NULL, e);
    return r < 0 ? r : co_qemu_wait_move(vm, &over, e);
}

static int co_finish(struct qemu_vm *vm, void *arg, struct err *e)
{
    struct qemu_passage left = vm->passage;
    int r;

    if (vm->passage.state == HV_PASSAGE_LEFT)
        return 0;
    if (vm->passage.state != HV_PASSAGE_LEAVING)
        return fail_not_leaving(vm, e);
    r = co_switch_over(vm, e);
    left.state = HV_PASSAGE_LEFT;
    return r < 0 ? r : qemu_vm_set_passage(vm, &left, e);
}

int co_qemu_move_finish(struct hv *hv, const char *uuid, struct err *e)
{
    return co_qemu_move_step(hv, uuid, co_finish, NULL, e);
}

static int co_drain(struct qemu_vm *vm, void *arg, struct err *e)
{
    struct departure *d = arg;
    const struct qemu_move_wait over = {MOVE_BIT(MOVE_DONE), CLOCK_NEVER, -1, pass_progress, d, 0, NULL};

    return vm->passage.state == HV_PASSAGE_LEFT ? co_qemu_wait_move(vm, &over, e) : fail_not_leaving(vm, e);
}

int co_qemu_move_drain(struct hv *hv, const char *uuid, hv_progress_fn *progress, void *arg, struct err *e)
{
    struct departure d = {.progress = progress, .arg = arg, .share = 1};

    return co_qemu_move_step(hv, uuid, co_drain, &d, e);
}

static int co_cancel(struct qemu_vm *vm, void *arg, struct err *e)
{
    CLEANUP_ERR struct err failed = {0};
    enum qemu_move move = MOVE_NONE;
    double done;
    int r;

    if (vm->passage.state == HV_PASSAGE_NONE)
        return 0;
    if (vm->passage.state == HV_PASSAGE_ARRIVING)
        return fail_not_leaving(vm, e);
    r = co_qemu_look_at_move(vm, &move, &done, &failed);
    if (r == 0 && move == MOVE_POST_COPY) {
        err_internal(e, "the memory of %s is on two hosts", vm->uuid);
        return -EBUSY;
    }
    return co_go_back_masked(vm, e);
}

int co_qemu_move_cancel(struct hv *hv, const char *uuid, struct err *e)
{
    return co_qemu_move_step(hv, uuid, co_cancel, NULL, e);
}
