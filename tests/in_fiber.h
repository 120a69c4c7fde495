#ifndef TESTS_IN_FIBER_H
#define TESTS_IN_FIBER_H
/*
 * Run code of a test inside a fiber and the loop until nothing is left to wait for.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/fiber.h"

/* Run co_fn(arg) as a fiber and the loop until it has nothing left. Fails the test when a fiber stays parked.
 */
static inline void run_in_fiber(fiber_fn *co_fn, void *arg)
{
    fiber_spawn("test", co_fn, arg);
    loop_run();
    ck_assert_uint_eq(fiber_count(), 0);
}

/* A generous guard against a test that hangs, not a limit on its speed. */
#define TEST_HANG_GUARD_S 300

/* Run the one suite of a test program; the value for main to return. */
static inline int run_suite(Suite *s)
{
    SRunner *runner = srunner_create(s);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
