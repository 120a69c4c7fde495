/* What the primitives cost. Run by hand: tests/lib/bench_fiber */
#include <stdio.h>
#include "lib/clock.h"
#include "lib/fiber.h"

#define MANY 1000000
#define BATCH 1000

static struct fiber_cond to_ping = FIBER_COND_INIT(to_ping), to_pong = FIBER_COND_INIT(to_pong);

static void co_nothing(void *unused)
{
}

static void spawn_batches(void)
{
    for (int i = 0; i < MANY / BATCH; i++) {
        for (int j = 0; j < BATCH; j++)
            fiber_spawn("short", co_nothing, NULL);
        loop_run();
    }
}

static void co_spawn_one_by_one(void *unused)
{
    for (int i = 0; i < MANY; i++) {
        fiber_spawn("short", co_nothing, NULL);
        co_yield();
    }
}

static void co_yield_often(void *unused)
{
    for (int i = 0; i < MANY; i++)
        co_yield();
}

static void co_ping(void *unused)
{
    for (int i = 0; i < MANY / 2; i++) {
        fiber_cond_signal(&to_pong);
        co_cond_wait(&to_ping, CLOCK_NEVER, "a pong");
    }
    fiber_cond_signal(&to_pong);
}

static void co_pong(void *unused)
{
    for (int i = 0; i < MANY / 2; i++) {
        co_cond_wait(&to_pong, CLOCK_NEVER, "a ping");
        fiber_cond_signal(&to_ping);
    }
}

static void co_time_out(void *unused)
{
    for (int i = 0; i < MANY / 10; i++)
        co_cond_wait(&to_ping, clock_in_ms(-1), "nobody, for the %dth time", i);
}

static int nothing(void *unused)
{
    return 0;
}

static void co_ask_workers(void *unused)
{
    for (int i = 0; i < MANY / 20; i++)
        co_run_worker(nothing, NULL, "a worker");
}

static void report(const char *what, int64_t began, int n)
{
    printf("%-56s %8.0f ns\n", what, (double)(clock_now() - began) / n);
}

/* Time n turns of co_fn, and of other beside it when there is one. */
static void measure(const char *what, fiber_fn *co_fn, fiber_fn *co_other, int n)
{
    int64_t began = clock_now();

    if (co_other)
        fiber_spawn("other", co_other, NULL);
    fiber_spawn("measured", co_fn, NULL);
    loop_run();
    report(what, began, n);
}

int main(void)
{
    int64_t began = clock_now();

    spawn_batches();
    report("spawn, run and end a fiber, in batches", began, MANY);
    measure("spawn, run and end a fiber, and yield to it", co_spawn_one_by_one, NULL, MANY);
    measure("yield", co_yield_often, NULL, MANY);
    measure("signal, wait and switch to the other side", co_ping, co_pong, MANY);
    measure("wait with a text to format and a deadline that passes", co_time_out, NULL, MANY / 10);
    measure("ask a worker", co_ask_workers, NULL, MANY / 20);
    printf("deepest stack: %zu bytes\n", fiber_stack_high_water());
    return 0;
}
