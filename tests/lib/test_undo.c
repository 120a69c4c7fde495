/* The undo list. */
#include <errno.h>
#include <string.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/undo.h"
#include "tests/in_fiber.h"
#include "tests/lib/forked.h"

static struct buf story;

struct step {
    char word[8];
    int answer;
};

/* Waits, to show that a step may, also in a cancelled fiber. */
static int co_step(void *arg)
{
    struct step *step = arg;

    ck_assert_int_eq(co_yield(), 0);
    buf_printf(&story, "%s ", step->word);
    return step->answer;
}

static void push(struct undo *u, const char *word, int answer)
{
    struct step step = {.answer = answer};

    strcpy(step.word, word);
    undo_push(u, word, co_step, &step, sizeof step);
    memset(&step, 'x', sizeof step); /* what was pushed is a copy */
}

static void co_fail_after_three(void *unused)
{
    struct undo u = {0};

    push(&u, "one", 0);
    push(&u, "two", -EBUSY);
    push(&u, "three", 0);
    fiber_cancel(fiber_self());
    co_undo_run(&u);
    ck_assert_int_eq(co_yield(), -ECANCELED);
    co_undo_run(&u);
}

static void child_fails_after_three(void)
{
    run_in_fiber(co_fail_after_three, NULL);
    ck_assert_str_eq(buf_cstr(&story), "three two one ");
}

START_TEST(undo_runs_newest_first_with_cancellation_masked)
{
    child_fails_after_three();
    buf_free(&story);
}
END_TEST

START_TEST(a_step_that_fails_is_logged_and_the_others_still_run)
{
    CLEANUP_BUF struct buf err = {0};

    ck_assert_int_eq(run_forked(child_fails_after_three, &err), 0);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&err), "undo: two: Device or resource busy"));
    ck_assert_ptr_null(strstr(buf_cstr(&err), "one"));
}
END_TEST

static void co_commit(void *unused)
{
    struct undo u = {0};

    push(&u, "one", 0);
    undo_push(&u, "no argument", co_step, NULL, 0);
    undo_disarm(&u);
    co_undo_run(&u);
}

START_TEST(a_disarmed_list_does_nothing)
{
    run_in_fiber(co_commit, NULL);
    ck_assert_uint_eq(story.len, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("undo");
    TCase *t = tcase_create("undo");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, undo_runs_newest_first_with_cancellation_masked);
    tcase_add_test(t, a_step_that_fails_is_logged_and_the_others_still_run);
    tcase_add_test(t, a_disarmed_list_does_nothing);
    suite_add_tcase(s, t);
    return run_suite(s);
}
