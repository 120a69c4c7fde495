/* Tasks whose workers are fibers: cancelling, destroying early, collecting. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/clock.h"
#include "tests/in_fiber.h"
#include "xapid/handlers.gen.h"
#include "xapid/task/task.h"

static struct xapid x;
static struct call caller;
static struct ref task;
static int outcome;

static void set_up(void)
{
    struct err e = {0};
    ck_assert_int_eq(db_open(NULL, &x.db, &e), 0);
    caller = (struct call){.x = &x, .db = x.db, .mem = talloc_new(NULL), .roles = ~0u};
    ck_assert_int_eq(task_open(&caller, "work", "", true, &task, &e), 0);
    outcome = 1;
}

static void tear_down(void)
{
    talloc_free(caller.mem);
    db_close(x.db);
}

/* Work that goes on until it is cancelled, and says how it ended. */
static void co_work(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct task_worker *w = task_register(task);
    outcome = co_sleep_until(CLOCK_NEVER, "the end of time");
    char text[REF_TEXT_SIZE];
    ref_format(task, text);
    err_task_cancelled(&e, text);
    task_complete(x.db, task, "", &e);
    task_unregister(w);
}

static void co_cancel(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct task_cancel_args a = {.task = task};
    struct fiber *worker = fiber_ref(fiber_spawn("worker", co_work, NULL));
    co_yield();
    ck_assert_int_eq(co_task_cancel(&caller, &a, &e), 0);
    ck_assert_int_eq(db_task(x.db, task)->status, TASK_STATUS_TYPE_PENDING);
    ck_assert_uint_eq(map_count(db_task(x.db, task)->current_operations), 1);
    ck_assert_int_eq(co_fiber_join(worker, clock_in_ms(60000)), 0);
    fiber_unref(worker);
}

START_TEST(cancelling_reaches_the_worker_and_ends_the_task)
{
    run_in_fiber(co_cancel, NULL);
    const struct task *t = db_task(x.db, task);
    ck_assert_int_eq(outcome, -ECANCELED);
    ck_assert_int_eq(t->status, TASK_STATUS_TYPE_CANCELLED);
    ck_assert_str_eq(t->error_info->v[0].s, "TASK_CANCELLED");
    ck_assert_uint_eq(set_count(t->allowed_operations), 0);
    ck_assert_uint_eq(map_count(t->current_operations), 0);
}
END_TEST

static void co_destroy_and_stop(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct task_destroy_args a = {.self = task};
    fiber_spawn("worker", co_work, NULL);
    co_yield();
    ck_assert_int_eq(co_task_destroy(&caller, &a, &e), 0);
    ck_assert_ptr_nonnull(db_task(x.db, task));
    co_task_stop_all(clock_in_ms(60000));
    ck_assert_ptr_null(db_task(x.db, task));
}

START_TEST(a_task_destroyed_early_goes_when_its_work_ends)
{
    run_in_fiber(co_destroy_and_stop, NULL);
    ck_assert_int_eq(outcome, -ECANCELED);
}
END_TEST

START_TEST(a_completed_task_keeps_its_first_outcome)
{
    CLEANUP_ERR struct err e = {0};
    task_complete(x.db, task, "<value>1</value>", NULL);
    err_internal(&e, "too late");
    task_complete(x.db, task, "", &e);
    ck_assert_int_eq(db_task(x.db, task)->status, TASK_STATUS_TYPE_SUCCESS);
    ck_assert_str_eq(db_task(x.db, task)->result, "<value>1</value>");
}
END_TEST

START_TEST(old_tasks_are_collected_and_too_many_lose_the_oldest)
{
    CLEANUP_ERR struct err e = {0};
    struct ref last;
    int64_t now = clock_wall();
    task_complete(x.db, task, "", NULL);
    task_collect(x.db, now + 60);
    ck_assert_ptr_nonnull(db_task(x.db, task));
    task_collect(x.db, now + 66 * 60);
    ck_assert_ptr_null(db_task(x.db, task));
    for (int i = 0; i < 250; i++) {
        ck_assert_int_eq(task_open(&caller, "t", "", false, &last, &e), 0);
        if (i > 0)
            task_complete(x.db, last, "", NULL);
    }
    task_collect(x.db, clock_wall());
    ck_assert_uint_eq(db_count(x.db, CLASS_TASK), 201);
    ck_assert_ptr_nonnull(db_task(x.db, last));
    task_collect(x.db, clock_wall() + 25 * 3600);
    ck_assert_uint_eq(db_count(x.db, CLASS_TASK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tasks");
    TCase *c = tcase_create("tasks");
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, cancelling_reaches_the_worker_and_ends_the_task);
    tcase_add_test(c, a_task_destroyed_early_goes_when_its_work_ends);
    tcase_add_test(c, a_completed_task_keeps_its_first_outcome);
    tcase_add_test(c, old_tasks_are_collected_and_too_many_lose_the_oldest);
    suite_add_tcase(s, c);
    return run_suite(s);
}
