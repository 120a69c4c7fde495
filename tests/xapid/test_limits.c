/* How much is kept: sessions, messages, pending tasks, subscriptions. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "tests/in_fiber.h"
#include "xapid/event/filter.h"
#include "xapid/message/message.h"
#include "xapid/session/session.h"
#include "xapid/task/task.h"

enum { DAY = 24 * 3600 };

static struct xapid x;
static struct call caller;
static struct err e;

static void set_up(void)
{
    ck_assert_int_eq(db_open(NULL, &x.db, &e), 0);
    caller = (struct call){.x = &x, .db = x.db, .mem = talloc_new(NULL), .roles = ~0u};
}

static void tear_down(void)
{
    talloc_free(caller.mem);
    db_close(x.db);
    err_clear(&e);
}

/* ---- sessions ---- */

static struct ref open_session(const struct session_new *s)
{
    struct ref ref;
    ck_assert_int_eq(session_open(&x, s, &ref, &e), 0);
    return ref;
}

/* Make it look as if it had been used that many seconds ago. */
static struct ref open_used_ago(const struct session_new *s, int64_t seconds)
{
    struct ref ref = open_session(s);
    struct txn *t = db_begin(x.db);
    session_set_last_active(t, db_session(x.db, ref), clock_wall() - seconds);
    ck_assert_int_eq(db_commit(t, &e), 0);
    return ref;
}

static void check_limit(const struct session_new *s, unsigned limit)
{
    struct ref young = open_used_ago(s, 10), old = open_used_ago(s, 1000), newest = young;
    for (unsigned i = 2; i < limit; i++)
        newest = open_session(s);
    ck_assert(session_exists(x.db, old));
    newest = open_session(s);
    ck_assert(!session_exists(x.db, old));
    ck_assert(session_exists(x.db, young));
    ck_assert(session_exists(x.db, newest));
    ck_assert_uint_eq(db_count(x.db, CLASS_SESSION), limit);
}

START_TEST(sessions_beyond_a_limit_push_out_the_longest_unused)
{
    static const struct {
        struct session_new kind;
        unsigned limit;
    } cases[] = {
        {{.user = "u", .sid = "", .originator = "backup", .superuser = true}, 500},
        {{.user = "u", .sid = "1", .originator = ""}, 500},
        {{.user = "root", .sid = "", .originator = "", .superuser = true}, 400},
        {{.user = "", .sid = "", .originator = "", .pool = true}, 400},
    };
    check_limit(&cases[_i].kind, cases[_i].limit);
}
END_TEST

START_TEST(another_originator_has_a_limit_of_its_own)
{
    struct session_new a = {.user = "u", .sid = "", .originator = "a", .superuser = true}, b = a;
    b.originator = "b";
    struct ref first = open_used_ago(&a, 1000);
    for (unsigned i = 0; i < 500; i++)
        open_session(&b);
    ck_assert(session_exists(x.db, first));
}
END_TEST

START_TEST(a_session_with_a_pending_task_is_never_pushed_out)
{
    struct session_new s = {.user = "root", .sid = "", .originator = "", .superuser = true};
    struct ref busy = open_used_ago(&s, 2 * DAY), idle = open_used_ago(&s, 1000), task;
    caller.session = busy;
    ck_assert_int_eq(task_open(&caller, "work", "", true, &task, &e), 0);
    for (unsigned i = 2; i <= 400; i++)
        open_session(&s);
    ck_assert(session_exists(x.db, busy));
    ck_assert(!session_exists(x.db, idle));
    session_expire(&x, clock_wall());
    ck_assert(session_exists(x.db, busy));
    task_complete(x.db, task, "", NULL);
    session_expire(&x, clock_wall());
    ck_assert(!session_exists(x.db, busy));
}
END_TEST

START_TEST(invented_originators_do_not_get_round_the_limits)
{
    char name[16];
    struct session_new s = {.user = "u", .sid = "", .originator = name, .superuser = true};
    struct session_new pool = {.user = "", .sid = "", .originator = "", .pool = true};
    struct ref host = open_used_ago(&pool, 2000), first = REF_NULL;
    for (unsigned i = 0; i < 5001; i++) {
        snprintf(name, sizeof name, "%u", i);
        struct ref ref = i == 0 ? open_used_ago(&s, 1000) : open_session(&s);
        first = i == 0 ? ref : first;
    }
    ck_assert(!session_exists(x.db, first));
    ck_assert(session_exists(x.db, host));
    ck_assert_uint_eq(db_count(x.db, CLASS_SESSION), 5001);
}
END_TEST

START_TEST(sessions_unused_for_a_day_end)
{
    struct session_new s = {.user = "root", .sid = "", .originator = "", .superuser = true};
    struct ref idle = open_used_ago(&s, DAY + 1), used = open_used_ago(&s, DAY - 60);
    session_expire(&x, clock_wall());
    ck_assert(!session_exists(x.db, idle));
    ck_assert(session_exists(x.db, used));
}
END_TEST

/* ---- messages ---- */

static struct ref post(unsigned n)
{
    char name[32];
    snprintf(name, sizeof name, "M%u", n);
    struct txn *t = db_begin(x.db);
    struct ref ref = message_post(t, name, 3, CLS_VM, "", "");
    ck_assert_int_eq(db_commit(t, &e), 0);
    return ref;
}

START_TEST(ten_thousand_messages_are_kept_and_the_oldest_goes)
{
    struct ref first = post(0), second = post(1);
    for (unsigned i = 2; i < 10000; i++)
        post(i);
    ck_assert_ptr_nonnull(db_message(x.db, first));
    struct ref last = post(10000);
    ck_assert_ptr_null(db_message(x.db, first));
    ck_assert_ptr_nonnull(db_message(x.db, second));
    ck_assert_ptr_nonnull(db_message(x.db, last));
    ck_assert_uint_eq(db_count(x.db, CLASS_MESSAGE), 10000);
}
END_TEST

/* ---- tasks ---- */

static unsigned open_tasks(unsigned roles)
{
    struct ref task;
    unsigned n = 0;
    caller.roles = roles;
    while (task_open(&caller, "t", "", false, &task, &e) == 0)
        n++;
    ck_assert(err_is(&e, "TOO_MANY_PENDING_TASKS"));
    err_clear(&e);
    return n;
}

START_TEST(pending_tasks_are_bounded_and_operators_have_the_last_quarter)
{
    ck_assert_uint_eq(open_tasks(ROLE_VM_OPERATOR), 1500);
    ck_assert_uint_eq(open_tasks(ROLE_VM_POWER_ADMIN), 0);
    ck_assert_uint_eq(open_tasks(ROLE_POOL_OPERATOR), 500);
    task_complete(x.db, db_first(x.db, CLASS_TASK)->ref, "", NULL);
    ck_assert_uint_eq(open_tasks(ROLE_POOL_ADMIN), 1);
}
END_TEST

START_TEST(a_storm_of_completed_tasks_does_not_pile_up)
{
    struct ref task;
    for (unsigned i = 0; i < 10100; i++) {
        ck_assert_int_eq(task_open(&caller, "t", "", false, &task, &e), 0);
        task_complete(x.db, task, "", NULL);
    }
    ck_assert_uint_le(db_count(x.db, CLASS_TASK), 400);
    ck_assert_ptr_nonnull(db_task(x.db, task));
}
END_TEST

/* ---- subscriptions ---- */

static int parse_many(uint32_t n, const char *text)
{
    struct set *s = talloc_zero_size(caller.mem, sizeof *s + n * sizeof s->v[0]);
    struct event_filter f;
    for (s->n = 0; s->n < n; s->n++)
        s->v[s->n].s = text;
    err_clear(&e);
    return event_filter_parse(caller.mem, s, ROLE_POOL_ADMIN, &f, &e);
}

START_TEST(subscriptions_are_bounded_in_number_and_length)
{
    char text[130];
    memset(text, 'x', sizeof text);
    text[129] = '\0';
    ck_assert_int_eq(parse_many(2000, "vm/OpaqueRef:00000000-0000-0000-0000-000000000001"), 0);
    ck_assert_int_eq(parse_many(2001, "vm"), -1);
    ck_assert(err_is(&e, "EVENT_SUBSCRIPTION_PARSE_FAILURE"));
    ck_assert_int_eq(parse_many(1, text), -1);
    ck_assert(err_is(&e, "EVENT_SUBSCRIPTION_PARSE_FAILURE"));
    text[128] = '\0';
    ck_assert_int_eq(parse_many(1, text), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("limits");
    TCase *c = tcase_create("limits");
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, sessions_beyond_a_limit_push_out_the_longest_unused, 0, 4);
    tcase_add_test(c, another_originator_has_a_limit_of_its_own);
    tcase_add_test(c, a_session_with_a_pending_task_is_never_pushed_out);
    tcase_add_test(c, invented_originators_do_not_get_round_the_limits);
    tcase_add_test(c, sessions_unused_for_a_day_end);
    tcase_add_test(c, ten_thousand_messages_are_kept_and_the_oldest_goes);
    tcase_add_test(c, pending_tasks_are_bounded_and_operators_have_the_last_quarter);
    tcase_add_test(c, a_storm_of_completed_tasks_does_not_pile_up);
    tcase_add_test(c, subscriptions_are_bounded_in_number_and_length);
    suite_add_tcase(s, c);
    return run_suite(s);
}
