/* The pauses after failed logins. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "tests/in_fiber.h"
#include "xapid/session/backoff.h"

enum { UNIT = 20 };

static bool others_ran;

static void co_other(void *arg)
{
    others_ran = true;
}

/* One attempt; how long it had to wait in milliseconds (0: it did not even yield), or -errno. */
static int64_t co_attempt(const char *address, const char *user, bool failed)
{
    struct backoff_attempt a;
    int64_t before = clock_now();
    others_ran = false;
    fiber_spawn("other", co_other, NULL);
    int r = co_backoff_begin(&a, address, user, UNIT);
    bool waited = others_ran;
    int64_t ms = (clock_now() - before) / 1000000;
    co_yield();
    if (r == 0)
        backoff_end(&a, failed, UNIT);
    return r < 0 ? r : waited ? ms : 0;
}

static void co_pauses(void *arg)
{
    ck_assert_int_eq(co_attempt("a", "u", true), 0);
    ck_assert_int_ge(co_attempt("a", "u", true), UNIT - 1);
    ck_assert_int_ge(co_attempt("a", "u", true), 2 * UNIT - 1);
    ck_assert_int_ge(co_attempt("a", "u", true), 4 * UNIT - 1);
    ck_assert_int_ge(co_attempt("a", "u", false), 6 * UNIT - 1);
    ck_assert_int_eq(co_attempt("a", "u", false), 0);
}

START_TEST(each_failure_makes_the_next_attempt_wait_longer_until_one_succeeds)
{
    run_in_fiber(co_pauses, NULL);
}
END_TEST

static void co_others(void *arg)
{
    struct backoff_attempt slow[2];
    for (int i = 0; i < 3; i++)
        co_attempt("b", "root", true);
    ck_assert_int_eq(co_attempt("c", "root", true), 0);
    ck_assert_int_eq(co_attempt("b", "another", true), 0);
    ck_assert_int_eq(co_backoff_begin(&slow[0], "d", "x", UNIT), 0);
    ck_assert_int_eq(co_backoff_begin(&slow[1], "d", "x", UNIT), 0);
    backoff_end(&slow[0], false, UNIT);
    backoff_end(&slow[1], false, UNIT);
}

START_TEST(other_addresses_and_other_users_do_not_wait)
{
    run_in_fiber(co_others, NULL);
}
END_TEST

static void co_many_users(void *arg)
{
    char user[16];
    for (int i = 0; i < 21; i++) {
        snprintf(user, sizeof user, "u%d", i);
        ck_assert_int_eq(co_attempt("e", user, true), 0);
    }
    ck_assert_int_ge(co_attempt("e", "fresh", true), UNIT - 1);
    ck_assert_int_eq(co_attempt("f", "fresh", true), 0);
}

START_TEST(trying_many_users_from_one_address_is_slowed_too)
{
    run_in_fiber(co_many_users, NULL);
}
END_TEST

static int waiting, refused, ended;

static void co_one_of_many(void *arg)
{
    struct backoff_attempt a;
    waiting++;
    int r = co_backoff_begin(&a, "g", "u", UNIT);
    refused += r == -EBUSY;
    if (r == 0)
        backoff_end(&a, false, UNIT);
    ended++;
}

static void co_crowd(void *arg)
{
    ck_assert_int_eq(co_attempt("g", "u", true), 0);
    for (int i = 0; i < 100; i++)
        fiber_spawn("attempt", co_one_of_many, NULL);
    while (ended < 100)
        co_sleep_until(clock_in_ms(UNIT), "the crowd");
    ck_assert_int_eq(refused, 100 - 16);
}

START_TEST(few_may_wait_at_a_time)
{
    run_in_fiber(co_crowd, NULL);
}
END_TEST

static void co_flood(void *arg)
{
    char name[24];
    for (int i = 0; i < 3; i++)
        co_attempt("victim", "root", true);
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "a%d", i);
        ck_assert_int_eq(co_attempt(name, "u", true), 0);
    }
    co_attempt("victim", "root", true);
    ck_assert_int_ge(co_attempt("victim", "root", false), 4 * UNIT - 1);
}

START_TEST(a_flood_of_other_addresses_does_not_make_a_guesser_forgotten)
{
    run_in_fiber(co_flood, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backoff");
    TCase *t = tcase_create("backoff");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, each_failure_makes_the_next_attempt_wait_longer_until_one_succeeds);
    tcase_add_test(t, other_addresses_and_other_users_do_not_wait);
    tcase_add_test(t, trying_many_users_from_one_address_is_slowed_too);
    tcase_add_test(t, few_may_wait_at_a_time);
    tcase_add_test(t, a_flood_of_other_addresses_does_not_make_a_guesser_forgotten);
    suite_add_tcase(s, t);
    return run_suite(s);
}
