#include "lib/fiber.h"
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber_private.h"

/* How often to look for a child's end where the kernel gives no pidfd. */
#define CHILD_POLL_MS 20

/* ---- what all waits share ---- */

__attribute__((format(printf, 2, 0))) static void note_what(struct fiber *f, const char *what, va_list ap)
{
    if (strchr(what, '%')) {
        vsnprintf(f->what, sizeof f->what, what, ap);
    } else {
        size_t n = strnlen(what, sizeof f->what - 1);

        memcpy(f->what, what, n);
        f->what[n] = '\0';
    }
}

/* Masked waits belong to the way back from a failure, which is not swept. */
static int pass_fault_points(const struct fiber *f)
{
    int r = fault_point(FAULT_WAIT, f->what);

    return r < 0 ? r : fault_point(FAULT_CANCEL, f->what);
}

int fiber_wait_begin(const char *what, va_list ap)
{
    struct fiber *f = fiber_self();
    int r;

    if (!f)
        fiber_die("a wait (\"%s\") outside of any fiber", what);
    note_what(f, what, ap);
    if (fiber_no_yield_reason())
        fiber_die("fiber %s waits (\"%s\") inside the no-yield region \"%s\"", f->name, f->what,
                  fiber_no_yield_reason());
    r = pass_fault_points(f);
    if (r == 0 && f->cancelled && f->cancel_masks == 0)
        r = -ECANCELED;
    if (r < 0)
        f->what[0] = '\0';
    return r;
}

struct deadline_timer {
    ev_timer timer;
    struct fiber *fiber;
    int64_t deadline;
};

static double seconds_until(int64_t deadline)
{
    int64_t left = deadline - clock_now();

    return left > 0 ? (double)left / 1e9 : 0;
}

/* libev counts from its cached time, which may lie behind, so the timer may be early. */
static void deadline_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct deadline_timer *t = timer->data;

    if (clock_now() >= t->deadline) {
        fiber_wake(t->fiber, -ETIMEDOUT);
        return;
    }
    ev_timer_set(timer, seconds_until(t->deadline), 0);
    ev_timer_start(loop, timer);
}

/* Park until woken or the deadline. */
static int co_park_until(int64_t deadline)
{
    struct deadline_timer t = {.fiber = fiber_self(), .deadline = deadline};
    int r;

    if (deadline == CLOCK_NEVER)
        return co_fiber_park();
    ev_timer_init(&t.timer, deadline_cb, seconds_until(deadline), 0);
    /* Of a descriptor and a deadline that are both due the descriptor is to win. */
    ev_set_priority(&t.timer, EV_MINPRI);
    t.timer.data = &t;
    ev_timer_start(loop_get(), &t.timer);
    r = co_fiber_park();
    ev_timer_stop(loop_get(), &t.timer);
    return r;
}

/* ---- time ---- */

int co_yield(void)
{
    struct fiber *f = fiber_self();
    va_list none;
    int r;

    memset(&none, 0, sizeof none);
    r = fiber_wait_begin("its turn", none);
    if (r < 0)
        return r;
    co_fiber_requeue();
    return f->cancelled && f->cancel_masks == 0 ? -ECANCELED : 0;
}

int co_sleep_until(int64_t deadline, const char *what, ...)
{
    va_list ap;
    int r;

    va_start(ap, what);
    r = fiber_wait_begin(what, ap);
    va_end(ap);
    if (r < 0)
        return r;
    r = co_park_until(deadline);
    return r == -ETIMEDOUT ? 0 : r;
}

/* ---- descriptors ---- */

static void fd_ready_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    int events = revents & (EV_READ | EV_WRITE);

    fiber_wake(w->data, revents & EV_ERROR ? -EBADF : events);
}

static int co_park_on_fd(int fd, int events, int64_t deadline)
{
    ev_io io;
    int r;

    if (fd < 0)
        return -EBADF;
    ev_io_init(&io, fd_ready_cb, fd, events);
    io.data = fiber_self();
    ev_io_start(loop_get(), &io);
    r = co_park_until(deadline);
    ev_io_stop(loop_get(), &io);
    return r;
}

int co_wait_fd(int fd, int events, int64_t deadline, const char *what, ...)
{
    va_list ap;
    int r;

    va_start(ap, what);
    r = fiber_wait_begin(what, ap);
    va_end(ap);
    return r < 0 ? r : co_park_on_fd(fd, events, deadline);
}

/* ---- children ---- */

/* 1 when the child has ended and is reaped, 0 when it runs. */
static int child_reap(pid_t pid, int *ret_status)
{
    int status;
    pid_t r = waitpid(pid, &status, WNOHANG);

    if (r < 0)
        return -errno;
    if (r > 0 && ret_status)
        *ret_status = status;
    return r > 0;
}

static int co_park_on_child(pid_t pid, int pidfd, int64_t deadline)
{
    int64_t look = clock_in_ms(CHILD_POLL_MS);

    if (pidfd >= 0)
        return co_park_on_fd(pidfd, EV_READ, deadline);
    if (look >= deadline)
        return co_park_until(deadline);
    return co_park_until(look) == -ECANCELED ? -ECANCELED : 0;
}

int co_wait_child(pid_t pid, int *ret_status, int64_t deadline, const char *what, ...)
{
    CLEANUP_FD int pidfd = -1;
    va_list ap;
    int r;

    va_start(ap, what);
    r = fiber_wait_begin(what, ap);
    va_end(ap);
    if (r < 0)
        return r;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    while ((r = child_reap(pid, ret_status)) == 0) {
        r = co_park_on_child(pid, pidfd, deadline);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

/* ---- conditions ---- */

struct fiber_waiter {
    TAILQ_ENTRY(fiber_waiter) link;
    struct fiber *fiber;
    bool queued;
};

void fiber_cond_init(struct fiber_cond *c)
{
    TAILQ_INIT(&c->waiters);
}

int co_cond_wait(struct fiber_cond *c, int64_t deadline, const char *what, ...)
{
    struct fiber_waiter w = {.fiber = fiber_self(), .queued = true};
    va_list ap;
    int r;

    va_start(ap, what);
    r = fiber_wait_begin(what, ap);
    va_end(ap);
    if (r < 0)
        return r;
    if (!c->waiters.tqh_last)
        fiber_cond_init(c);
    TAILQ_INSERT_TAIL(&c->waiters, &w, link);
    r = co_park_until(deadline);
    if (w.queued)
        TAILQ_REMOVE(&c->waiters, &w, link);
    return r;
}

/* Wake the first waiter; false when it had been woken before by a deadline or by cancellation. */
static bool cond_wake_first(struct fiber_cond *c)
{
    struct fiber_waiter *w = TAILQ_FIRST(&c->waiters);

    TAILQ_REMOVE(&c->waiters, w, link);
    w->queued = false;
    return fiber_wake(w->fiber, 0);
}

void fiber_cond_signal(struct fiber_cond *c)
{
    while (!TAILQ_EMPTY(&c->waiters)) {
        if (cond_wake_first(c))
            return;
    }
}

void fiber_cond_broadcast(struct fiber_cond *c)
{
    while (!TAILQ_EMPTY(&c->waiters))
        cond_wake_first(c);
}

/* ---- joining ---- */

int co_fiber_join(struct fiber *f, int64_t deadline)
{
    if (f == fiber_self())
        return -EDEADLK;
    while (f->state != FIBER_ENDED) {
        int r = co_cond_wait(&f->ended, deadline, "the end of fiber %s", f->name);

        if (r < 0)
            return r;
    }
    return 0;
}
