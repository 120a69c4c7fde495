/* Life of fibers, scheduling, cancellation, no-yield regions, stacks. */
#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <setjmp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/fiber_private.h"
#include "tests/in_fiber.h"
#include "tests/lib/forked.h"

/* What happened, in words that the tests compare. */
static struct buf story;

static void tell(const char *word)
{
    if (story.len > 0)
        buf_add_char(&story, ' ');
    buf_add_str(&story, word);
}

static void story_setup(void)
{
    buf_reset(&story);
}

static void story_teardown(void)
{
    buf_free(&story);
}

#define assert_story(text) ck_assert_str_eq(buf_cstr(&story), text)

static void co_tell(void *word)
{
    tell(word);
}

static void co_tell_twice(void *word)
{
    tell(word);
    ck_assert_int_eq(co_yield(), 0);
    tell(word);
}

static struct fiber *spawn_word(fiber_fn *co_fn, const char *word)
{
    return fiber_spawn(word, co_fn, (void *)(uintptr_t)word);
}

/* ---- life ---- */

START_TEST(fibers_run_in_the_order_they_were_spawned)
{
    spawn_word(co_tell, "a");
    spawn_word(co_tell, "b");
    spawn_word(co_tell, "c");
    assert_story("");
    loop_run();
    assert_story("a b c");
    ck_assert_uint_eq(fiber_count(), 0);
}
END_TEST

static void co_spawn_then_tell(void *unused)
{
    spawn_word(co_tell, "child");
    tell("parent");
}

START_TEST(spawning_does_not_switch)
{
    run_in_fiber(co_spawn_then_tell, NULL);
    assert_story("parent child");
}
END_TEST

START_TEST(yield_lets_the_others_run_first)
{
    spawn_word(co_tell_twice, "a");
    spawn_word(co_tell_twice, "b");
    loop_run();
    assert_story("a b a b");
}
END_TEST

static void co_check_self(void *unused)
{
    ck_assert_str_eq(fiber_name(fiber_self()), "a name that is longer than 31 b");
    ck_assert_str_eq(fiber_waiting_for(fiber_self()), "");
    ck_assert_ptr_null(fiber_context(fiber_self()));
    fiber_set_context(fiber_self(), &story);
    ck_assert_ptr_eq(fiber_context(fiber_self()), &story);
    tell("checked");
}

START_TEST(a_fiber_knows_its_name_and_context)
{
    ck_assert_ptr_null(fiber_self());
    fiber_spawn("a name that is longer than 31 bytes", co_check_self, NULL);
    loop_run();
    assert_story("checked");
    ck_assert_ptr_null(fiber_self());
}
END_TEST

static void co_join_two(void *unused)
{
    struct fiber *a = fiber_ref(spawn_word(co_tell_twice, "a"));
    struct fiber *b = fiber_ref(spawn_word(co_tell, "b"));

    ck_assert_int_eq(co_fiber_join(a, CLOCK_NEVER), 0);
    tell("joined-a");
    ck_assert_int_eq(co_fiber_join(b, CLOCK_NEVER), 0);
    tell("joined-b");
    fiber_unref(a);
    fiber_unref(b);
    ck_assert_int_eq(co_fiber_join(fiber_self(), CLOCK_NEVER), -EDEADLK);
}

START_TEST(join_waits_for_the_end_and_answers_at_once_after_it)
{
    run_in_fiber(co_join_two, NULL);
    assert_story("a b a joined-a joined-b");
}
END_TEST

static void co_sleep_long(void *ret)
{
    *(int *)ret = co_sleep_until(CLOCK_NEVER, "nothing in particular, n=%d", 7);
}

static void co_join_with_deadline(void *unused)
{
    int r = 1;
    struct fiber *f = fiber_ref(fiber_spawn("sleeper", co_sleep_long, &r));

    ck_assert_int_eq(co_fiber_join(f, clock_in_ms(1)), -ETIMEDOUT);
    ck_assert_str_eq(fiber_waiting_for(f), "nothing in particular, n=7");
    fiber_cancel(f);
    ck_assert_int_eq(co_fiber_join(f, CLOCK_NEVER), 0);
    ck_assert_int_eq(r, -ECANCELED);
    fiber_unref(f);
}

START_TEST(join_gives_up_at_its_deadline)
{
    run_in_fiber(co_join_with_deadline, NULL);
}
END_TEST

static void count_one(struct fiber *f, void *n)
{
    ++*(unsigned *)n;
}

static void co_yield_often(void *total)
{
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(co_yield(), 0);
        ++*(unsigned *)total;
    }
}

START_TEST(ten_thousand_fibers_live_at_once)
{
    unsigned total = 0, n = 0;

    for (int i = 0; i < 10000; i++)
        fiber_spawn("one of many", co_yield_often, &total);
    fiber_foreach(count_one, &n);
    ck_assert_uint_eq(n, 10000);
    ck_assert_uint_eq(fiber_count(), 10000);
    loop_run();
    ck_assert_uint_eq(total, 100000);
    ck_assert_uint_eq(fiber_count(), 0);
}
END_TEST

static void co_nothing(void *unused)
{
}

START_TEST(a_million_short_fibers_need_no_more_memory_than_a_few)
{
    struct rusage before, after;

    for (int i = 0; i < 1000000; i++) {
        fiber_spawn("short", co_nothing, NULL);
        if (i % 100 == 99)
            loop_run();
        if (i == 100000)
            getrusage(RUSAGE_SELF, &before);
    }
    getrusage(RUSAGE_SELF, &after);
    ck_assert_uint_eq(fiber_count(), 0);
#ifndef FIBER_ASAN
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 4096);
#endif
}
END_TEST

/* ---- the loop ---- */

static void co_stop_loop(void *unused)
{
    tell("stop");
    loop_stop();
}

START_TEST(stopping_the_loop_leaves_what_was_ready_for_the_next_run)
{
    fiber_spawn("stop", co_stop_loop, NULL);
    spawn_word(co_tell, "after");
    loop_run();
    assert_story("stop");
    loop_run();
    assert_story("stop after");
}
END_TEST

static void spawn_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
    spawn_word(co_tell_twice, "x");
}

START_TEST(a_fiber_spawned_by_the_last_callback_still_runs)
{
    ev_timer timer;

    ev_timer_init(&timer, spawn_cb, 0, 0);
    ev_timer_start(loop_get(), &timer);
    loop_run();
    assert_story("x x");
}
END_TEST

static void fd_seen_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    *(bool *)w->data = true;
    ev_io_stop(loop, w);
}

static void co_yield_until(void *flag)
{
    while (!*(bool *)flag)
        ck_assert_int_eq(co_yield(), 0);
}

START_TEST(fibers_that_only_yield_do_not_starve_descriptors)
{
    bool seen = false;
    int fds[2];
    ev_io io;

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ev_io_init(&io, fd_seen_cb, fds[0], EV_READ);
    io.data = &seen;
    ev_io_start(loop_get(), &io);
    run_in_fiber(co_yield_until, &seen);
    ck_assert(seen);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void co_yield_then_cancel(void *f)
{
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(co_yield(), 0);
    fiber_cancel(f);
}

static void co_sleep_an_hour(void *ret)
{
    *(int *)ret = co_sleep_until(clock_in_ms(3600000), "an hour");
}

START_TEST(the_loop_does_not_sleep_while_fibers_are_ready)
{
    int r = 0;

    run_in_fiber(co_yield_then_cancel, fiber_spawn("sleeper", co_sleep_an_hour, &r));
    ck_assert_int_eq(r, -ECANCELED);
}
END_TEST

/* ---- shuffling ---- */

static void shuffled_story(uint64_t seed)
{
    static const char *const words[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    buf_reset(&story);
    fiber_set_shuffle_seed(seed);
    for (int i = 0; i < 8; i++)
        spawn_word(co_tell_twice, words[i]);
    loop_run();
    fiber_set_shuffle_seed(0);
}

START_TEST(a_seed_shuffles_and_the_same_seed_shuffles_alike)
{
    CLEANUP_BUF struct buf first = {0};

    shuffled_story(42);
    buf_add_str(&first, buf_cstr(&story));
    ck_assert_str_ne(buf_cstr(&first), "a b c d e f g h a b c d e f g h");
    ck_assert_uint_eq(first.len, strlen("a b c d e f g h a b c d e f g h"));
    shuffled_story(42);
    ck_assert_str_eq(buf_cstr(&story), buf_cstr(&first));
    shuffled_story(43);
    ck_assert_str_ne(buf_cstr(&story), buf_cstr(&first));
    shuffled_story(0);
    assert_story("a b c d e f g h a b c d e f g h");
}
END_TEST

/* ---- cancellation ---- */

static void co_cancelled_sleeper(void *unused)
{
    ck_assert_int_eq(co_sleep_until(CLOCK_NEVER, "for ever"), -ECANCELED);
    ck_assert(fiber_cancelled(fiber_self()));
    ck_assert_int_eq(co_sleep_until(CLOCK_NEVER, "for ever"), -ECANCELED);
    ck_assert_int_eq(co_yield(), -ECANCELED);
    tell("unwound");
}

static void co_cancel_once_parked(void *f)
{
    ck_assert_str_eq(fiber_waiting_for(f), "for ever");
    fiber_cancel(f);
    tell("cancelled");
}

START_TEST(a_cancelled_wait_and_each_one_after_it_answer_ecanceled)
{
    struct fiber *f = fiber_spawn("sleeper", co_cancelled_sleeper, NULL);

    fiber_spawn("canceller", co_cancel_once_parked, f);
    loop_run();
    assert_story("cancelled unwound");
}
END_TEST

START_TEST(a_fiber_cancelled_before_it_ran_still_runs_and_unwinds)
{
    fiber_cancel(fiber_spawn("sleeper", co_cancelled_sleeper, NULL));
    loop_run();
    assert_story("unwound");
}
END_TEST

static void co_masked_sleeper(void *unused)
{
    fiber_mask_cancel();
    fiber_mask_cancel();
    ck_assert_int_eq(co_sleep_until(clock_in_ms(2), "for ever"), 0);
    fiber_unmask_cancel();
    ck_assert(fiber_cancelled(fiber_self()));
    ck_assert_int_eq(co_yield(), 0);
    fiber_unmask_cancel();
    ck_assert_int_eq(co_yield(), -ECANCELED);
    tell("unwound");
}

START_TEST(masked_waits_ignore_cancellation_until_unmasked)
{
    struct fiber *f = fiber_spawn("sleeper", co_masked_sleeper, NULL);

    fiber_spawn("canceller", co_cancel_once_parked, f);
    loop_run();
    assert_story("cancelled unwound");
}
END_TEST

static void co_cancel_self(void *unused)
{
    fiber_cancel(fiber_self());
    tell("on");
    ck_assert_int_eq(co_sleep_until(0, "x"), -ECANCELED);
}

START_TEST(a_fiber_may_cancel_itself)
{
    run_in_fiber(co_cancel_self, NULL);
    assert_story("on");
}
END_TEST

/* ---- rules ---- */

static void co_wait_in_region(void *unused)
{
    fiber_no_yield_enter("outer");
    fiber_no_yield_enter("open transaction");
    co_sleep_until(0, "a slow disk");
}

static void child_waits_in_region(void)
{
    run_in_fiber(co_wait_in_region, NULL);
}

START_TEST(a_wait_inside_a_no_yield_region_aborts_with_both_names)
{
    CLEANUP_BUF struct buf err = {0};

    assert_killed_by(run_forked(child_waits_in_region, &err), SIGABRT);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "a slow disk"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "open transaction"));
}
END_TEST

static void co_region_in_order(void *unused)
{
    fiber_no_yield_enter("outer");
    fiber_no_yield_enter("inner");
    fiber_no_yield_leave();
    ck_assert_str_eq(fiber_no_yield_reason(), "outer");
    fiber_no_yield_leave();
    ck_assert_int_eq(co_yield(), 0);
    tell("yielded");
}

START_TEST(a_wait_after_the_region_is_allowed)
{
    run_in_fiber(co_region_in_order, NULL);
    assert_story("yielded");
}
END_TEST

static void co_end_in_region(void *unused)
{
    fiber_no_yield_enter("forgotten");
}

static void child_ends_in_region(void)
{
    run_in_fiber(co_end_in_region, NULL);
}

START_TEST(a_fiber_that_ends_inside_a_region_aborts)
{
    CLEANUP_BUF struct buf err = {0};

    assert_killed_by(run_forked(child_ends_in_region, &err), SIGABRT);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "forgotten"));
}
END_TEST

static void child_co_waits_outside(void)
{
    co_sleep_until(0, "nobody");
}

START_TEST(a_wait_outside_of_any_fiber_aborts)
{
    CLEANUP_BUF struct buf err = {0};

    assert_killed_by(run_forked(child_co_waits_outside, &err), SIGABRT);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "nobody"));
}
END_TEST

static void co_hog(void *unused)
{
    int64_t end = clock_in_ms(60);

    while (clock_now() < end)
        ;
}

static void child_hogs(void)
{
    fiber_set_slice_limit_ms(5);
    fiber_spawn("the hog", co_hog, NULL);
    loop_run();
}

static void child_hogs_unchecked(void)
{
    fiber_set_slice_limit_ms(0);
    fiber_spawn("the hog", co_hog, NULL);
    loop_run();
}

START_TEST(a_fiber_that_runs_long_is_named_in_the_log)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_eq(run_forked(child_hogs, &err), 0);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "the hog"));
    buf_reset(&err);
    ck_assert_int_eq(run_forked(child_hogs_unchecked, &err), 0);
    ck_assert_uint_eq(err.len, 0);
}
END_TEST

/* ---- stacks ---- */

__attribute__((noinline)) static int dig(volatile char *above, int levels)
{
    volatile char here[512];

    here[0] = (char)(above[0] + 1);
    return levels == 0 ? here[0] : dig(here, levels - 1) + here[0];
}

static void co_dig(void *levels)
{
    volatile char top[1] = {0};

    dig(top, *(int *)levels);
}

static void child_digs_through(void)
{
    int levels = 100000;

    run_in_fiber(co_dig, &levels);
}

START_TEST(a_stack_that_overflows_hits_the_guard_page)
{
    CLEANUP_BUF struct buf err = {0};
    int status = run_forked(child_digs_through, &err);

#ifdef FIBER_ASAN
    ck_assert_int_ne(status, 0);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "stack-overflow"));
#else
    assert_killed_by(status, SIGSEGV);
#endif
}
END_TEST

static void co_look_below(void *found)
{
    char line[256], access[8];
    uintptr_t stack = (uintptr_t)fiber_self()->stack->base, from, to, guard_end = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps)) {
        ck_assert_int_eq(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, access), 3);
        if (from <= stack && stack < to)
            *(bool *)found = guard_end == from;
        guard_end = strcmp(access, "---p") == 0 ? to : 0;
    }
    fclose(maps);
}

START_TEST(a_guard_page_lies_below_each_stack)
{
    bool found = false;

    run_in_fiber(co_look_below, &found);
    ck_assert(found);
}
END_TEST

START_TEST(the_high_water_mark_knows_the_deepest_stack)
{
    int levels = 40;
    size_t shallow;

    run_in_fiber(co_nothing, NULL);
    shallow = fiber_stack_high_water();
    ck_assert_uint_gt(shallow, 0);
    ck_assert_uint_lt(shallow, 40 * 512);
    run_in_fiber(co_dig, &levels);
    run_in_fiber(co_nothing, NULL);
    ck_assert_uint_ge(fiber_stack_high_water(), 40 * 512);
}
END_TEST

#ifdef FIBER_ASAN
static void co_overflow_after_yield(void *unused)
{
    char frame[32];
    /* A pointer that the compiler cannot follow, lest another sanitizer be faster. */
    char *volatile p = frame;

    memset(p, 1, sizeof frame);
    co_yield();
    p[sizeof frame] = 1;
}

static void child_overflows(void)
{
    run_in_fiber(co_overflow_after_yield, NULL);
}

START_TEST(asan_sees_an_overflow_in_a_frame_that_lived_across_a_yield)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_ne(run_forked(child_overflows, &err), 0);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "stack-buffer-overflow"));
}
END_TEST

static void co_jump(void *unused)
{
    jmp_buf here;

    if (setjmp(here) == 0)
        longjmp(here, 1);
    co_yield();
    if (setjmp(here) == 0)
        longjmp(here, 1);
}

static void child_jumps(void)
{
    jmp_buf here;

    for (int i = 0; i < 3; i++)
        fiber_spawn("jumper", co_jump, NULL);
    loop_run();
    if (setjmp(here) == 0)
        longjmp(here, 1);
}

/* At a jump it looks for the bounds of the stack, and complains when it does not know which one it is on. */
START_TEST(asan_knows_which_stack_it_is_on)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_eq(run_forked(child_jumps, &err), 0);
    ck_assert_str_eq(buf_cstr(&err), "");
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("fiber");
    TCase *t = tcase_create("fiber");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, story_setup, story_teardown);
    tcase_add_test(t, fibers_run_in_the_order_they_were_spawned);
    tcase_add_test(t, spawning_does_not_switch);
    tcase_add_test(t, yield_lets_the_others_run_first);
    tcase_add_test(t, a_fiber_knows_its_name_and_context);
    tcase_add_test(t, join_waits_for_the_end_and_answers_at_once_after_it);
    tcase_add_test(t, join_gives_up_at_its_deadline);
    tcase_add_test(t, ten_thousand_fibers_live_at_once);
    tcase_add_test(t, a_million_short_fibers_need_no_more_memory_than_a_few);
    tcase_add_test(t, stopping_the_loop_leaves_what_was_ready_for_the_next_run);
    tcase_add_test(t, a_fiber_spawned_by_the_last_callback_still_runs);
    tcase_add_test(t, fibers_that_only_yield_do_not_starve_descriptors);
    tcase_add_test(t, the_loop_does_not_sleep_while_fibers_are_ready);
    tcase_add_test(t, a_seed_shuffles_and_the_same_seed_shuffles_alike);
    tcase_add_test(t, a_cancelled_wait_and_each_one_after_it_answer_ecanceled);
    tcase_add_test(t, a_fiber_cancelled_before_it_ran_still_runs_and_unwinds);
    tcase_add_test(t, masked_waits_ignore_cancellation_until_unmasked);
    tcase_add_test(t, a_fiber_may_cancel_itself);
    tcase_add_test(t, a_wait_inside_a_no_yield_region_aborts_with_both_names);
    tcase_add_test(t, a_wait_after_the_region_is_allowed);
    tcase_add_test(t, a_fiber_that_ends_inside_a_region_aborts);
    tcase_add_test(t, a_wait_outside_of_any_fiber_aborts);
    tcase_add_test(t, a_fiber_that_runs_long_is_named_in_the_log);
    tcase_add_test(t, a_stack_that_overflows_hits_the_guard_page);
    tcase_add_test(t, a_guard_page_lies_below_each_stack);
    tcase_add_test(t, the_high_water_mark_knows_the_deepest_stack);
#ifdef FIBER_ASAN
    tcase_add_test(t, asan_sees_an_overflow_in_a_frame_that_lived_across_a_yield);
    tcase_add_test(t, asan_knows_which_stack_it_is_on);
#endif
    suite_add_tcase(s, t);
    return run_suite(s);
}
