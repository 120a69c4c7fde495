#ifndef LIB_FIBER_PRIVATE_H
#define LIB_FIBER_PRIVATE_H
/*
 * What the files of the fiber library share: fiber.c (life and scheduling), fiber_stack.c, fiber_wait.c,
 * worker.c. scripts/gdb/fibers.py reads struct fiber by the names of its fields.
 */
#include <stdarg.h>
#include "lib/fiber.h"

#if defined __SANITIZE_ADDRESS__
#define FIBER_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif

/* ---- stacks ---- */

struct fiber_stack {
    struct fiber_stack *next; /* in the cache */
    char *base;               /* lowest usable byte; the guard page is below */
    size_t size;
};

/* Never fails: aborts when there is no memory. */
struct fiber_stack *fiber_stack_get(void);
void fiber_stack_put(struct fiber_stack *stack);

/* The most bytes ever used of this stack, found by looking for what is no longer zero. */
size_t fiber_stack_used(const struct fiber_stack *stack);

/* The largest such number over the stacks in the cache and those already given back. */
size_t fiber_stack_used_cached(void);

/* ---- fibers ---- */

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_PARKED, FIBER_ENDED };

#define FIBER_NAME_SIZE 32
#define FIBER_WHAT_SIZE 96

struct fiber {
    void *sp;                  /* while it does not run */
    struct fiber_stack *stack; /* NULL before its first and after its last slice */
    void *asan_fake_stack;
    enum fiber_state state;
    int result; /* what the wait that is ending answers */
    unsigned refs;
    unsigned cancel_masks;
    bool cancelled;
    fiber_fn *co_fn;
    void *arg;
    void *context;
    struct fiber_cond ended;
    TAILQ_ENTRY(fiber) ready_link;
    TAILQ_ENTRY(fiber) live_link;
    char name[FIBER_NAME_SIZE];
    char what[FIBER_WHAT_SIZE];
};

TAILQ_HEAD(fiber_list, fiber);

/* What each wait does first: hold it to the rules, note what it waits for, pass the fault points. Returns 0
 * when the fiber may park, else what the wait is to answer. */
int fiber_wait_begin(const char *what, va_list ap) __attribute__((format(printf, 1, 0)));

/* Park the running fiber until fiber_wake; returns the result given there. */
int co_fiber_park(void);

/* Let every fiber that is ready run before the running one goes on. */
int co_fiber_requeue(void);

/* Queue f, whose wait is to answer result. False when f was not parked: somebody else woke it before. */
bool fiber_wake(struct fiber *f, int result);

/* The name of the innermost no-yield region, NULL outside of any. */
const char *fiber_no_yield_reason(void);

/* Print and abort: a rule of FIBERS.md was broken. */
void fiber_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
