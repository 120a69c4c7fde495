#include "hv/qemu/migration.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/devices.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"

#define LOOK_MS 200 /* between looks at how far it is; its news wakes us at once */
#define CANCEL_MS 10000
#define SETTLED_MS 10000
#define SETTLE_MS 5

/* ---- what QEMU is told ---- */

static const struct {
    enum qemu_capability bit;
    const char *name;
} capability_names[] = {
    {CAP_EVENTS, "events"},
    {CAP_PAUSE, "pause-before-switchover"},
    {CAP_LATE, "late-block-activate"},
    {CAP_RETURN_PATH, "return-path"},
    {CAP_POST_COPY, "postcopy-ram"},
    {CAP_MULTIFD, "multifd"},
    {CAP_AUTO_CONVERGE, "auto-converge"},
};

int co_qemu_set_capabilities(struct qemu_vm *vm, unsigned capabilities, struct err *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof capability_names / sizeof *capability_names; i++)
        json_array_append_new(list, json_pack("{s:s, s:b}", "capability", capability_names[i].name, "state",
                                              (capabilities & capability_names[i].bit) != 0));
    return co_qemu_ask(vm, "migrate-set-capabilities", json_pack("{s:o}", "capabilities", list), NULL, e);
}

/* ---- how far it is ---- */

static enum qemu_move move_of(const char *status)
{
    static const struct {
        const char *status;
        enum qemu_move move;
    } known[] = {
        {"none", MOVE_NONE},
        {"setup", MOVE_SETUP},
        {"completed", MOVE_DONE},
        {"failed", MOVE_FAILED},
        {"cancelled", MOVE_FAILED},
        {"pre-switchover", MOVE_WAITING},
        {"postcopy-active", MOVE_POST_COPY},
    };

    if (!status)
        return MOVE_NONE;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(status, known[i].status) == 0)
            return known[i].move;
    return MOVE_ACTIVE;
}

static double part_done(const json_t *answer)
{
    const json_t *ram = json_object_get(answer, "ram");
    double total = json_number_value(json_object_get(ram, "total")),
           remaining = json_number_value(json_object_get(ram, "remaining"));

    return total > 0 && remaining >= 0 && remaining <= total ? 1 - remaining / total : 0;
}

/* How often QEMU has begun to go over the guest's memory, for what has changed since the last time. */
static unsigned passes_in(const json_t *answer)
{
    json_int_t n = json_integer_value(json_object_get(json_object_get(answer, "ram"), "dirty-sync-count"));

    return n > 0 && n < INT32_MAX ? (unsigned)n : 0;
}

int co_qemu_look_at_move(struct qemu_vm *vm, enum qemu_move *ret, double *ret_done, struct err *e)
{
    json_t *answer = NULL;
    const char *why;
    int r = co_qemu_ask(vm, "query-migrate", NULL, &answer, e);

    if (r == 0) {
        why = json_string_value(json_object_get(answer, "error-desc"));
        *ret = move_of(json_string_value(json_object_get(answer, "status")));
        *ret_done = part_done(answer);
        vm->passes = passes_in(answer);
        if (*ret == MOVE_FAILED)
            err_internal(e, "the state of %s cannot be moved%s%s", vm->uuid, why ? ": " : "", why ? why : "");
    }
    json_decref(answer);
    return r < 0 ? r : *ret == MOVE_FAILED ? -EREMOTEIO : 0;
}

int co_qemu_wait_news(struct qemu_vm *vm, unsigned moves, int64_t deadline)
{
    int64_t look = clock_in_ms(LOOK_MS);
    int r = 0;

    if (vm->moves == moves && !vm->gone)
        r = co_cond_wait(&vm->changed, look < deadline ? look : deadline, "the state of %s to be moved",
                         vm->uuid);
    return r == -ETIMEDOUT && clock_now() < deadline ? 0 : r;
}

/* QEMU does not see the end of a pipe that nothing has ever come through. */
static bool ended_unused(int fd, enum qemu_move move)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return move <= MOVE_SETUP && poll(&p, 1, 0) == 1 && !(p.revents & POLLIN);
}

/* QEMU itself waits for as long as TCP does, a quarter of an hour, when the network is cut. */
struct stall {
    double done;
    int64_t deadline; /* 0: none yet */
};

static bool has_stalled(struct stall *s, const struct qemu_move_wait *w, double done)
{
    if (w->stall_ms == 0)
        return false;
    if (s->deadline == 0 || s->done != done)
        *s = (struct stall){done, clock_in_ms(w->stall_ms)};
    return clock_now() >= s->deadline;
}

int co_qemu_wait_move(struct qemu_vm *vm, const struct qemu_move_wait *w, struct err *e)
{
    struct stall stall = {0};

    for (;;) {
        unsigned moves = vm->moves;
        double done = 0;
        enum qemu_move move = MOVE_NONE;
        int r = co_qemu_look_at_move(vm, &move, &done, e);

        if (r == 0 && w->progress)
            w->progress(w->until & MOVE_BIT(move) ? 1 : done, w->arg);
        if (r < 0 || w->until & MOVE_BIT(move))
            return r;
        if (move == MOVE_ACTIVE && w->co_steer && (r = w->co_steer(vm, w->arg, e)) < 0)
            return r;
        if (move == MOVE_DONE || ended_unused(w->from, move)) {
            err_internal(e, move == MOVE_DONE ? "the move of %s is over already" : "there is no state of %s",
                         vm->uuid);
            return -EREMOTEIO;
        }
        if (has_stalled(&stall, w, done)) {
            err_internal(e, "nothing of the state of %s goes out any more", vm->uuid);
            return -ETIMEDOUT;
        }
        r = co_qemu_wait_news(vm, moves, w->deadline);
        if (r < 0) {
            err_errno(e, r, "the state of %s", vm->uuid);
            return r;
        }
    }
}

int co_qemu_wait_settled(struct qemu_vm *vm, struct err *e)
{
    int64_t deadline = clock_in_ms(SETTLED_MS);

    for (;;) {
        json_t *answer = NULL;
        int r = co_qemu_ask(vm, "query-status", NULL, &answer, e);
        const char *status = json_string_value(json_object_get(answer, "status"));
        bool moving = status && strcmp(status, "finish-migrate") == 0;

        json_decref(answer);
        if (r < 0 || !moving)
            return r;
        r = clock_now() < deadline ? co_sleep_until(clock_in_ms(SETTLE_MS), "%s to settle", vm->uuid)
                                   : -ETIMEDOUT;
        if (r < 0) {
            err_errno(e, r, "the state of %s", vm->uuid);
            return r;
        }
    }
}

/* ---- its end ---- */

int co_qemu_cancel_move(struct qemu_vm *vm, struct err *e)
{
    int64_t deadline = clock_in_ms(CANCEL_MS);
    int r = co_qemu_ask(vm, "migrate_cancel", NULL, NULL, e);

    while (r == 0 && !vm->gone) {
        CLEANUP_ERR struct err failed = {0};
        enum qemu_move move = MOVE_ACTIVE;
        unsigned moves = vm->moves;
        double done;

        r = co_qemu_look_at_move(vm, &move, &done, &failed);
        if (r == 0 && move == MOVE_NONE)
            return 0;
        if (r == -EREMOTEIO || (r == 0 && move == MOVE_DONE))
            return co_qemu_wait_settled(vm, e);
        err_move(e, &failed);
        if (r == 0)
            r = co_qemu_wait_news(vm, moves, deadline);
    }
    if (r < 0 && !err_is_set(e))
        err_errno(e, r, "giving up the move of %s", vm->uuid);
    return r;
}

bool qemu_vm_is_changed(const struct qemu_vm *vm)
{
    return !vm->shape && faccessat(vm->dir_fd, VM_DIR_CHANGED, F_OK, 0) == 0;
}
