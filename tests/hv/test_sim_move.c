/* Guests that move between simulated hosts: the steps, their repetition, faults and restarts at each. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "tests/hv/moving.h"
#include "tests/in_fiber.h"

static struct fixture a, b;
static struct moving m;

static void co_open(struct fixture *f)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts host;

    if (!f->dir[0])
        fixture_init(f);
    ck_assert_int_eq(
        co_hv_sim_open(&f->options, "receive delay=1us\nmove delay=1us\nfinish delay=1us", &f->hv, &host, &e),
        0);
}

static void co_begin(bool paused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;
    struct hv_vm_spec spec;

    co_open(&a);
    co_open(&b);
    fixture_spec(&spec);
    spec.start_paused = paused;
    ck_assert_int_eq(a.hv->driver->co_start(a.hv, &spec, &facts, &e), 0);
    moving_init(&m, &a, &b, &spec);
}

static void co_end(void)
{
    CLEANUP_ERR struct err e = {0};

    ck_assert_int_eq(a.hv->driver->co_stop(a.hv, m.spec.uuid, &e), 0);
    ck_assert_int_eq(b.hv->driver->co_stop(b.hv, m.spec.uuid, &e), 0);
    a.hv->driver->free(a.hv);
    b.hv->driver->free(b.hv);
    ck_assert_uint_eq(fiber_count(), 1);
}

static enum hv_state state_at(const struct fixture *f)
{
    return f->hv->driver->state(f->hv, m.spec.uuid);
}

static void assert_runs_only_at(const struct fixture *here, const struct fixture *elsewhere,
                                const char *story)
{
    ck_assert_msg(state_at(here) == (m.spec.start_paused ? HV_STATE_PAUSED : HV_STATE_RUNNING),
                  "%s: state %d", story, state_at(here));
    ck_assert_msg(state_at(elsewhere) == HV_STATE_GONE, "%s: it is elsewhere, too: %d", story,
                  state_at(elsewhere));
}

/* ---- the steps ---- */

static void note_facts(const char *uuid, const struct hv_vm_facts *facts, void *arg)
{
    *(struct hv_vm_facts *)arg = *facts;
}

static enum hv_passage_state co_passage_at(struct fixture *f)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts = {.passage = HV_PASSAGE_NONE};

    ck_assert_int_eq(f->hv->driver->co_adopt(f->hv, note_facts, &facts, &e), 0);
    return facts.passage;
}

static void co_reopen(struct fixture *f)
{
    f->hv->driver->free(f->hv);
    co_open(f);
}

/* Each step twice, and both daemons anew after it. */
static void co_move_in_steps(void *paused)
{
    static const enum hv_passage_state at_source[] = {HV_PASSAGE_NONE, HV_PASSAGE_LEAVING, HV_PASSAGE_LEAVING,
                                                      HV_PASSAGE_LEFT, HV_PASSAGE_LEFT,    HV_PASSAGE_LEFT,
                                                      HV_PASSAGE_NONE},
                                       at_destination[] = {HV_PASSAGE_ARRIVING, HV_PASSAGE_ARRIVING,
                                                           HV_PASSAGE_ARRIVING, HV_PASSAGE_ARRIVING,
                                                           HV_PASSAGE_NONE,     HV_PASSAGE_NONE,
                                                           HV_PASSAGE_NONE};
    CLEANUP_ERR struct err e = {0};

    co_begin(paused != NULL);
    for (unsigned step = 0; step < MOVING_STEPS; step++) {
        for (unsigned i = 0; i < 2; i++)
            ck_assert_int_eq(co_moving_step(&m, step, &e), 0);
        co_reopen(&a);
        co_reopen(&b);
        ck_assert_int_eq(co_passage_at(&a), at_source[step]);
        ck_assert_int_eq(co_passage_at(&b), at_destination[step]);
    }
    assert_runs_only_at(&b, &a, "at the end");
    ck_assert_uint_eq(fixture_count(&a, HV_REPORT_STOPPED), 0);
    co_end();
}

START_TEST(each_step_may_be_repeated_and_outlives_the_daemons)
{
    run_in_fiber(co_move_in_steps, NULL);
}
END_TEST

START_TEST(a_paused_guest_arrives_paused)
{
    run_in_fiber(co_move_in_steps, &m);
}
END_TEST

static void co_go_back_from_each(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    char story[40];

    for (unsigned last = STEP_RECEIVE; last < STEP_ACCEPT; last++) {
        co_begin(false);
        for (unsigned step = 0; step <= last; step++)
            ck_assert_int_eq(co_moving_step(&m, step, &e), 0);
        co_reopen(&a);
        co_reopen(&b);
        snprintf(story, sizeof story, "back from step %u", last);
        co_moving_settle(&m);
        assert_runs_only_at(&a, &b, story);
        ck_assert_int_eq(co_passage_at(&a), HV_PASSAGE_NONE);
        co_end();
    }
}

START_TEST(a_guest_goes_on_at_home_after_any_step_before_the_decision)
{
    run_in_fiber(co_go_back_from_each, NULL);
}
END_TEST

/* ---- faults ---- */

struct attempt {
    unsigned kinds, n;
    int result;
    struct err error;
    bool fired;
};

static void co_attempt(void *arg)
{
    struct attempt *t = arg;

    fault_arm(t->kinds, t->n);
    t->result = co_moving_run(&m, &t->error);
    t->fired = fault_fired();
    fault_disarm();
}

/* In a fiber of its own, so that it can be cancelled; true when the fault has come. */
static bool co_survive(unsigned kinds, unsigned n)
{
    struct attempt t = {.kinds = kinds, .n = n};
    struct fiber *fiber;
    char story[60];

    co_begin(false);
    fiber = fiber_ref(fiber_spawn("move", co_attempt, &t));
    ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(60000)), 0);
    fiber_unref(fiber);
    snprintf(story, sizeof story, "kinds %u, n %u: %s", kinds, n, t.error.code ? t.error.code : "no error");
    assert_runs_only_at(m.decided ? &b : &a, m.decided ? &a : &b, story);
    ck_assert_int_eq(t.result, m.decided ? 0 : -1);
    err_clear(&t.error);
    co_end();
    return t.fired;
}

static void co_sweep(void *arg)
{
    unsigned kinds = *(unsigned *)arg, n = 1;

    while (co_survive(kinds, n))
        n++;
    ck_assert_uint_ge(n, 3);
}

START_TEST(whatever_fails_exactly_one_runs)
{
    unsigned kinds = FAULT_QMP | FAULT_WAIT;

    run_in_fiber(co_sweep, &kinds);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sim_move");
    TCase *c = tcase_create("sim_move");
    int r;

    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, each_step_may_be_repeated_and_outlives_the_daemons);
    tcase_add_test(c, a_paused_guest_arrives_paused);
    tcase_add_test(c, a_guest_goes_on_at_home_after_any_step_before_the_decision);
    tcase_add_test(c, whatever_fails_exactly_one_runs);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
