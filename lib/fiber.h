#ifndef LIB_FIBER_H
#define LIB_FIBER_H
/*
 * Stackful fibers on one libev loop and one thread. See FIBERS.md for the rules.
 *
 * - Functions whose name begins with co_ may yield; nothing else may. Only a fiber may call them.
 * - A wake-up queues; it never switches. fiber_spawn queues too: the caller goes on.
 * - Every wait has a deadline (lib/clock.h) and a printf text saying what it waits for.
 * - While a fault sweep has FAULT_WAIT armed a wait may answer -EIO without having waited (lib/fault.h).
 * - Waits return 0 (or what is stated) or -ETIMEDOUT or -ECANCELED. After -ECANCELED a fiber unwinds; each
 * further unmasked wait answers -ECANCELED at once. A parked fiber is never freed.
 * - Stacks are 64 KiB with a guard page. A fiber that has begun holds two memory mappings, of which a process
 * may have 65530 (vm.max_map_count); running out aborts. So whoever spawns a fiber for the network caps their
 * number.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct ev_loop;
struct fiber;

typedef void fiber_fn(void *arg);

/* ---- the loop ---- */

/* The process's loop (made on first use, which also gives SIGCHLD its default action). Plain libev watchers
 * may be put on it by leaf code. */
struct ev_loop *loop_get(void);

/* Run until loop_stop() is called or nothing is left to wait for. Called once, from main. */
void loop_run(void);
void loop_stop(void);

/* ---- life of a fiber ---- */

/* Start fn(arg) as a fiber named by the first 31 bytes of name. Never fails (aborts when memory runs out),
 * never switches. The fiber frees itself when fn returns; keep the pointer only with fiber_ref. */
struct fiber *fiber_spawn(const char *name, fiber_fn *fn, void *arg);

/* The running fiber, or NULL in the loop itself. */
struct fiber *fiber_self(void);

struct fiber *fiber_ref(struct fiber *f);
void fiber_unref(struct fiber *f);

/* Wait until f has ended. f must be referenced by the caller. */
int co_fiber_join(struct fiber *f, int64_t deadline);

/* Ask f to unwind: its present or next unmasked wait answers -ECANCELED. Never switches. */
void fiber_cancel(struct fiber *f);
bool fiber_cancelled(const struct fiber *f);

/* Between these the running fiber's waits ignore cancellation. They nest. */
void fiber_mask_cancel(void);
void fiber_unmask_cancel(void);
bool fiber_cancel_masked(void);

/* One pointer for the fiber's owner (the request it serves); inherited by nothing. */
void fiber_set_context(struct fiber *f, void *context);
void *fiber_context(const struct fiber *f);

const char *fiber_name(const struct fiber *f);

/* What f waits for at the moment ("" when it runs). */
const char *fiber_waiting_for(const struct fiber *f);

/* Call fn for each live fiber. */
void fiber_foreach(void (*fn)(struct fiber *f, void *arg), void *arg);
unsigned fiber_count(void);

/* ---- no-yield regions ---- */

/* An open transaction holds a region; a wait inside one aborts, naming it. They nest. */
void fiber_no_yield_enter(const char *why);
void fiber_no_yield_leave(void);

/* ---- waits ---- */

/* Let the others that are ready run first. */
int co_yield(void);

int co_sleep_until(int64_t deadline, const char *what, ...) __attribute__((format(printf, 2, 3)));

/* Wait until fd is ready. events: EV_READ, EV_WRITE of <ev.h> or both. Returns the ready events (> 0); when
 * they and the deadline are both due, the events. Whoever closes fd must first see to it that nobody waits on
 * it (a closed one aborts the process, in libev). */
int co_wait_fd(int fd, int events, int64_t deadline, const char *what, ...)
    __attribute__((format(printf, 4, 5)));

/* Wait until the child pid ends and reap it; its wait status goes to *ret_status. */
int co_wait_child(pid_t pid, int *ret_status, int64_t deadline, const char *what, ...)
    __attribute__((format(printf, 4, 5)));

/* A condition: fibers wait on it, anyone signals it. Zero-initialised by FIBER_COND_INIT or fiber_cond_init.
 * After a wake-up re-check what you waited for. */
struct fiber_waiter;
struct fiber_cond {
    TAILQ_HEAD(, fiber_waiter) waiters;
};
#define FIBER_COND_INIT(c)                             \
    {                                                  \
        .waiters = TAILQ_HEAD_INITIALIZER((c).waiters) \
    }
void fiber_cond_init(struct fiber_cond *c);
int co_cond_wait(struct fiber_cond *c, int64_t deadline, const char *what, ...)
    __attribute__((format(printf, 3, 4)));
void fiber_cond_signal(struct fiber_cond *c);
void fiber_cond_broadcast(struct fiber_cond *c);

/* Run fn(arg) on the worker pool and return its result (0 or -errno). fn may block but must not touch
 * anything that the loop's thread may touch meanwhile. Uncancellable once begun: the memory it uses lives on
 * the caller's stack. */
int co_run_worker(int (*fn)(void *arg), void *arg, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- tests ---- */

/* The most bytes any fiber has used of its stack so far. Not cheap. */
size_t fiber_stack_high_water(void);

/* Choose the next ready fiber by a seeded generator instead of in order; 0 restores the order. */
void fiber_set_shuffle_seed(uint64_t seed);

/* Log the name of a fiber that runs longer than this without yielding; 0 switches the check off (default 100
 * ms). */
void fiber_set_slice_limit_ms(int64_t ms);

#endif
