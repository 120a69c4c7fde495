#include "lib/fiber.h"
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/fiber_private.h"
#include "lib/log.h"
#include "lib/mem.h"
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* How often the ready queue is emptied before descriptors get their turn again. */
#define ROUNDS_A_POLL 16
#define SLICE_LIMIT_MS 100
#define NO_YIELD_NAMES 8

void fiber_switch(void **save_sp, void *to_sp);
void fiber_start(void);
void co_fiber_main(void) __attribute__((noreturn));

/* The loop's own side of a switch. */
static struct {
    void *sp;
    void *asan_fake_stack;
    const void *stack_base;
    size_t stack_size;
} loop_side;

/* Thread-local, so that code on a worker is never taken for the fiber that waits for it. */
static __thread struct fiber *running;

static struct fiber_list ready = TAILQ_HEAD_INITIALIZER(ready);
static struct fiber_list live = TAILQ_HEAD_INITIALIZER(live);
static unsigned n_live;

static struct ev_loop *the_loop;
static ev_prepare before_poll;
static ev_idle stay_awake;
static bool stopping;

static uint64_t shuffle_state;
static int64_t slice_limit_ms = SLICE_LIMIT_MS;

static struct {
    unsigned depth;
    const char *why[NO_YIELD_NAMES];
} no_yield;

void fiber_die(const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_error("%s", text);
    abort();
}

/* ---- switching ---- */

/* Lay out a new stack so that fiber_switch finds zeroed registers and returns to fiber_start. */
static void *stack_prepare(struct fiber_stack *stack)
{
    void **top = (void **)(void *)(stack->base + stack->size);
#if defined __x86_64__
    enum { WORDS = 6 + 1 + 1 + 1, RETURN = 6 };
#else
    enum { WORDS = 20, RETURN = 1 };
#endif
    void **sp = top - WORDS;

    memset(sp, 0, WORDS * sizeof *sp);
    sp[RETURN] = (void *)fiber_start;
    return sp;
}

/* The one place where the loop hands its thread to a fiber; returns when the fiber parks or ends. */
static void switch_to_fiber(struct fiber *f)
{
    running = f;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&loop_side.asan_fake_stack, f->stack->base, f->stack->size);
#endif
    fiber_switch(&loop_side.sp, f->sp);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(loop_side.asan_fake_stack, NULL, NULL);
#endif
    running = NULL;
}

/* The other direction; returns when the fiber is resumed, so never for one that has ended. */
static void switch_to_loop(struct fiber *f)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(f->state == FIBER_ENDED ? NULL : &f->asan_fake_stack, loop_side.stack_base,
                                   loop_side.stack_size);
#endif
    fiber_switch(&f->sp, loop_side.sp);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(f->asan_fake_stack, &loop_side.stack_base, &loop_side.stack_size);
#endif
}

/* Where fiber_start calls to: the life of a fiber on its own stack. */
void co_fiber_main(void)
{
    struct fiber *f = running;

#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(NULL, &loop_side.stack_base, &loop_side.stack_size);
#endif
    f->co_fn(f->arg);
    if (no_yield.depth > 0)
        fiber_die("fiber %s ended inside the no-yield region \"%s\"", f->name, fiber_no_yield_reason());
    f->state = FIBER_ENDED;
    fiber_cond_broadcast(&f->ended);
    switch_to_loop(f);
    abort();
}

/* ---- scheduling ---- */

static void fiber_bury(struct fiber *f)
{
    fiber_stack_put(f->stack);
    f->stack = NULL;
    TAILQ_REMOVE(&live, f, live_link);
    n_live--;
    fiber_unref(f);
}

static void fiber_resume(struct fiber *f)
{
    if (!f->stack) {
        f->stack = fiber_stack_get();
        f->sp = stack_prepare(f->stack);
    }
    f->state = FIBER_RUNNING;
    f->what[0] = '\0';
    switch_to_fiber(f);
    if (f->state == FIBER_ENDED)
        fiber_bury(f);
}

static void make_ready(struct fiber *f)
{
    f->state = FIBER_READY;
    TAILQ_INSERT_TAIL(&ready, f, ready_link);
}

/* splitmix64 */
static uint64_t shuffle_next(void)
{
    uint64_t z = shuffle_state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static struct fiber *pick(struct fiber_list *list)
{
    struct fiber *f = TAILQ_FIRST(list), *other;
    unsigned n = 0;

    if (shuffle_state == 0)
        return f;
    /* Reservoir sampling: the n-th fiber replaces the choice with probability 1/n. */
    TAILQ_FOREACH (other, list, ready_link) {
        if (shuffle_next() % ++n == 0)
            f = other;
    }
    return f;
}

/* Milliseconds by the kernel's tick: coarse, but nearly free. */
static int64_t coarse_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Run f for one slice that began at *now, and complain when it was a long one. */
static void run_slice(struct fiber *f, int64_t *now)
{
    int64_t began = *now;

    if (slice_limit_ms == 0) {
        fiber_resume(f);
        return;
    }
    fiber_ref(f);
    fiber_resume(f);
    *now = coarse_ms();
    if (*now - began > slice_limit_ms)
        log_warning("fiber %s ran %lld ms without yielding", f->name, (long long)(*now - began));
    fiber_unref(f);
}

/* Run each fiber that is ready now once; those they make ready wait for the next round. */
static void run_round(void)
{
    struct fiber_list round = TAILQ_HEAD_INITIALIZER(round);
    int64_t now = coarse_ms();

    TAILQ_CONCAT(&round, &ready, ready_link);
    while (!TAILQ_EMPTY(&round) && !stopping) {
        struct fiber *f = pick(&round);

        TAILQ_REMOVE(&round, f, ready_link);
        run_slice(f, &now);
    }
    TAILQ_CONCAT(&round, &ready, ready_link);
    TAILQ_CONCAT(&ready, &round, ready_link);
}

/* Runs before each poll. When fibers are left, the idle watcher makes the poll return at once. */
static void before_poll_cb(struct ev_loop *loop, ev_prepare *w, int revents)
{
    for (int i = 0; i < ROUNDS_A_POLL && !TAILQ_EMPTY(&ready) && !stopping; i++)
        run_round();
    if (TAILQ_EMPTY(&ready))
        ev_idle_stop(loop, &stay_awake);
    else
        ev_idle_start(loop, &stay_awake);
}

static void stay_awake_cb(struct ev_loop *loop, ev_idle *w, int revents)
{
}

struct ev_loop *loop_get(void)
{
    if (the_loop)
        return the_loop;
    /* Not libev's default loop: that one reaps every child of the process. */
    the_loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!the_loop)
        fiber_die("libev finds no usable backend");
    ev_prepare_init(&before_poll, before_poll_cb);
    ev_set_priority(&before_poll, EV_MINPRI);
    ev_prepare_start(the_loop, &before_poll);
    ev_unref(the_loop);
    ev_idle_init(&stay_awake, stay_awake_cb);
    /* A parent that ignores it hands that down, and then no child's status could be waited for. */
    signal(SIGCHLD, SIG_DFL);
    return the_loop;
}

void loop_run(void)
{
    struct ev_loop *loop = loop_get();

    stopping = false;
    do
        ev_run(loop, 0);
    while (!stopping && !TAILQ_EMPTY(&ready));
}

void loop_stop(void)
{
    stopping = true;
    ev_break(loop_get(), EVBREAK_ALL);
}

/* ---- life ---- */

struct fiber *fiber_spawn(const char *name, fiber_fn *co_fn, void *arg)
{
    struct fiber *f = malloc(sizeof *f);

    if (!f)
        mem_abort();
    memset(f, 0, offsetof(struct fiber, name));
    f->what[0] = '\0';
    snprintf(f->name, sizeof f->name, "%s", name);
    f->refs = 1;
    f->co_fn = co_fn;
    f->arg = arg;
    fiber_cond_init(&f->ended);
    TAILQ_INSERT_TAIL(&live, f, live_link);
    n_live++;
    make_ready(f);
    return f;
}

struct fiber *fiber_self(void)
{
    return running;
}

struct fiber *fiber_ref(struct fiber *f)
{
    f->refs++;
    return f;
}

void fiber_unref(struct fiber *f)
{
    if (--f->refs == 0)
        free(f);
}

void fiber_cancel(struct fiber *f)
{
    f->cancelled = true;
    if (f->cancel_masks == 0)
        fiber_wake(f, -ECANCELED);
}

bool fiber_cancelled(const struct fiber *f)
{
    return f->cancelled;
}

void fiber_mask_cancel(void)
{
    if (running)
        running->cancel_masks++;
}

void fiber_unmask_cancel(void)
{
    if (!running)
        return;
    if (running->cancel_masks == 0)
        fiber_die("fiber %s unmasks cancellation that is not masked", running->name);
    running->cancel_masks--;
}

bool fiber_cancel_masked(void)
{
    return running && running->cancel_masks > 0;
}

void fiber_set_context(struct fiber *f, void *context)
{
    f->context = context;
}

void *fiber_context(const struct fiber *f)
{
    return f->context;
}

const char *fiber_name(const struct fiber *f)
{
    return f->name;
}

const char *fiber_waiting_for(const struct fiber *f)
{
    return f->what;
}

void fiber_foreach(void (*fn)(struct fiber *f, void *arg), void *arg)
{
    struct fiber *f;

    TAILQ_FOREACH (f, &live, live_link)
        fn(f, arg);
}

unsigned fiber_count(void)
{
    return n_live;
}

/* ---- no-yield regions ---- */

void fiber_no_yield_enter(const char *why)
{
    if (no_yield.depth < NO_YIELD_NAMES)
        no_yield.why[no_yield.depth] = why;
    no_yield.depth++;
}

void fiber_no_yield_leave(void)
{
    if (no_yield.depth == 0)
        fiber_die("a no-yield region is left that was never entered");
    no_yield.depth--;
}

const char *fiber_no_yield_reason(void)
{
    unsigned i = no_yield.depth < NO_YIELD_NAMES ? no_yield.depth : NO_YIELD_NAMES;

    return i > 0 ? no_yield.why[i - 1] : NULL;
}

/* ---- parking ---- */

int co_fiber_park(void)
{
    struct fiber *f = running;

    f->state = FIBER_PARKED;
    switch_to_loop(f);
    return f->result;
}

int co_fiber_requeue(void)
{
    struct fiber *f = running;

    f->result = 0;
    make_ready(f);
    switch_to_loop(f);
    return f->result;
}

bool fiber_wake(struct fiber *f, int result)
{
    if (f->state != FIBER_PARKED)
        return false;
    f->result = result;
    make_ready(f);
    return true;
}

/* ---- tests ---- */

void fiber_set_shuffle_seed(uint64_t seed)
{
    shuffle_state = seed;
}

void fiber_set_slice_limit_ms(int64_t ms)
{
    slice_limit_ms = ms;
}

size_t fiber_stack_high_water(void)
{
    size_t used = fiber_stack_used_cached();
    struct fiber *f;

    TAILQ_FOREACH (f, &live, live_link) {
        if (f->stack && fiber_stack_used(f->stack) > used)
            used = fiber_stack_used(f->stack);
    }
    return used;
}
