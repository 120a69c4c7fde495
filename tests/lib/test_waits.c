/* Deadlines, descriptors, conditions, children, workers, fault points. */
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "tests/in_fiber.h"

/* ---- time ---- */

static void co_sleep_a_little(void *unused)
{
    int64_t deadline = clock_in_ms(20);

    ck_assert_int_eq(co_sleep_until(deadline, "20 ms"), 0);
    ck_assert_int_ge(clock_now(), deadline);
    ck_assert_int_eq(co_sleep_until(deadline, "the past"), 0);
}

START_TEST(sleep_is_never_too_short)
{
    run_in_fiber(co_sleep_a_little, NULL);
}
END_TEST

START_TEST(clock_saturates)
{
    ck_assert_int_eq(clock_in_ms(INT64_MAX), CLOCK_NEVER);
    ck_assert_int_eq(clock_in_ms(INT64_MAX / 1000000), CLOCK_NEVER);
    ck_assert_int_le(clock_in_ms(-5), clock_now());
    ck_assert_int_gt(clock_wall(), 1600000000);
}
END_TEST

static void co_long_text(void *unused)
{
    char text[201];

    memset(text, 'x', 200);
    text[200] = '\0';
    ck_assert_int_eq(co_sleep_until(clock_in_ms(1), "%s", text), 0);
    ck_assert_str_eq(fiber_waiting_for(fiber_self()), "");
}

static void check_long_text(struct fiber *f, void *n_seen)
{
    if (strcmp(fiber_name(f), "long") != 0)
        return;
    ck_assert_uint_eq(strspn(fiber_waiting_for(f), "x"), 95);
    ck_assert_uint_eq(strlen(fiber_waiting_for(f)), 95);
    ++*(int *)n_seen;
}

static void co_check_long_text(void *n_seen)
{
    fiber_foreach(check_long_text, n_seen);
}

START_TEST(the_text_of_a_wait_is_bounded)
{
    int n_seen = 0;

    fiber_spawn("long", co_long_text, NULL);
    run_in_fiber(co_check_long_text, &n_seen);
    ck_assert_int_eq(n_seen, 1);
}
END_TEST

/* ---- descriptors ---- */

struct pipe_case {
    int read_fd, write_fd;
    int answer;
};

static void co_read_wait(void *arg)
{
    struct pipe_case *c = arg;

    c->answer = co_wait_fd(c->read_fd, EV_READ, CLOCK_NEVER, "a byte on fd %d", c->read_fd);
}

static void co_write_later(void *arg)
{
    struct pipe_case *c = arg;

    ck_assert_int_eq(c->answer, 99);
    ck_assert_int_eq(write(c->write_fd, "x", 1), 1);
    ck_assert_int_eq(co_wait_fd(c->write_fd, EV_WRITE, CLOCK_NEVER, "room"), EV_WRITE);
    ck_assert_int_eq(c->answer, 99); /* waking queues */
}

static void pipe_case_open(struct pipe_case *c)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    *c = (struct pipe_case){fds[0], fds[1], 99};
}

static void pipe_case_close(struct pipe_case *c)
{
    close(c->read_fd);
    close(c->write_fd);
}

START_TEST(a_descriptor_wakes_its_reader)
{
    struct pipe_case c;

    pipe_case_open(&c);
    fiber_spawn("reader", co_read_wait, &c);
    run_in_fiber(co_write_later, &c);
    ck_assert_int_eq(c.answer, EV_READ);
    pipe_case_close(&c);
}
END_TEST

static void co_fd_deadline(void *arg)
{
    struct pipe_case *c = arg;

    ck_assert_int_eq(co_wait_fd(c->read_fd, EV_READ, clock_in_ms(1), "nothing"), -ETIMEDOUT);
    ck_assert_int_eq(write(c->write_fd, "x", 1), 1);
    /* Ready beats late. */
    ck_assert_int_eq(co_wait_fd(c->read_fd, EV_READ, clock_in_ms(-1), "a byte"), EV_READ);
    ck_assert_int_eq(co_wait_fd(-1, EV_READ, CLOCK_NEVER, "no descriptor"), -EBADF);
}

START_TEST(a_descriptor_wait_ends_at_its_deadline)
{
    struct pipe_case c;

    pipe_case_open(&c);
    run_in_fiber(co_fd_deadline, &c);
    pipe_case_close(&c);
}
END_TEST

static void co_cancel_all_round(void *f)
{
    fiber_cancel(f);
}

START_TEST(a_descriptor_wait_can_be_cancelled)
{
    struct pipe_case c;

    pipe_case_open(&c);
    run_in_fiber(co_cancel_all_round, fiber_spawn("reader", co_read_wait, &c));
    ck_assert_int_eq(c.answer, -ECANCELED);
    pipe_case_close(&c);
}
END_TEST

/* ---- conditions ---- */

static struct fiber_cond cond = FIBER_COND_INIT(cond);
static int woken, cancelled, late;

static void co_cond_waiter(void *deadline)
{
    int r = co_cond_wait(&cond, deadline ? *(int64_t *)deadline : CLOCK_NEVER, "the condition");

    woken += r == 0;
    cancelled += r == -ECANCELED;
    late += r == -ETIMEDOUT;
}

static void co_signal_twice(void *unused)
{
    fiber_cond_signal(&cond);
    ck_assert_int_eq(woken, 0);
    fiber_cond_signal(&cond);
    ck_assert_int_eq(co_yield(), 0);
    ck_assert_int_eq(woken, 2);
    fiber_cond_broadcast(&cond);
    ck_assert_int_eq(woken, 2);
    ck_assert_int_eq(co_yield(), 0);
    ck_assert_int_eq(woken, 5);
    fiber_cond_signal(&cond);
    fiber_cond_broadcast(&cond);
}

START_TEST(signal_wakes_one_and_broadcast_all_the_rest)
{
    for (int i = 0; i < 5; i++)
        fiber_spawn("waiter", co_cond_waiter, NULL);
    run_in_fiber(co_signal_twice, NULL);
}
END_TEST

static void co_cancel_then_signal(void *f)
{
    fiber_cancel(f);
    fiber_cond_signal(&cond);
}

START_TEST(a_signal_is_not_lost_on_a_waiter_that_was_cancelled)
{
    struct fiber *first = fiber_spawn("first", co_cond_waiter, NULL);

    fiber_spawn("second", co_cond_waiter, NULL);
    run_in_fiber(co_cancel_then_signal, first);
    ck_assert_int_eq(cancelled, 1);
    ck_assert_int_eq(woken, 1);
}
END_TEST

static void co_signal_then_cancel(void *f)
{
    fiber_cond_signal(&cond);
    fiber_cancel(f);
}

START_TEST(a_waiter_cancelled_after_its_signal_keeps_it)
{
    run_in_fiber(co_signal_then_cancel, fiber_spawn("waiter", co_cond_waiter, NULL));
    ck_assert_int_eq(woken, 1);
    ck_assert_int_eq(cancelled, 0);
}
END_TEST

START_TEST(a_condition_wait_ends_at_its_deadline)
{
    int64_t soon = clock_in_ms(1);

    run_in_fiber(co_cond_waiter, &soon);
    ck_assert_int_eq(late, 1);
    ck_assert(TAILQ_EMPTY(&cond.waiters));
}
END_TEST

START_TEST(a_zeroed_condition_is_a_condition)
{
    memset(&cond, 0, sizeof cond);
    fiber_cond_signal(&cond);
    fiber_cond_broadcast(&cond);
    fiber_spawn("waiter", co_cond_waiter, NULL);
    run_in_fiber(co_cancel_then_signal, fiber_spawn("waiter", co_cond_waiter, NULL));
    ck_assert_int_eq(woken + cancelled, 2);
}
END_TEST

/* ---- children ---- */

/* A child that ends with this code once its standard input's other end is closed. */
static pid_t child_start(int code, int *ret_leash)
{
    int fds[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(fds[1]);
        if (read(fds[0], &byte, 1) < 0)
            _exit(111);
        _exit(code);
    }
    close(fds[0]);
    *ret_leash = fds[1];
    return pid;
}

static void co_close_fd(void *fd)
{
    close(*(int *)fd);
}

static void co_wait_for_child(void *unused)
{
    int leash, status = 0;
    pid_t pid = child_start(7, &leash);

    ck_assert_int_eq(co_wait_child(pid, &status, clock_in_ms(1), "a child"), -ETIMEDOUT);
    fiber_spawn("release", co_close_fd, &leash);
    ck_assert_int_eq(co_wait_child(pid, &status, CLOCK_NEVER, "a child"), 0);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(co_wait_child(pid, &status, CLOCK_NEVER, "a reaped child"), -ECHILD);
}

START_TEST(a_child_is_waited_for_and_reaped)
{
    run_in_fiber(co_wait_for_child, NULL);
}
END_TEST

static void co_wait_for_zombie(void *unused)
{
    siginfo_t info;
    int leash, status = 0;
    pid_t pid = child_start(3, &leash);

    close(leash);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(co_wait_child(pid, &status, CLOCK_NEVER, "a child"), 0);
    ck_assert_int_eq(WEXITSTATUS(status), 3);
}

START_TEST(a_child_that_has_ended_before_is_reaped)
{
    run_in_fiber(co_wait_for_zombie, NULL);
}
END_TEST

/* ---- workers ---- */

/* Lets the loop's thread hold a worker until it says so. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int begun;
    bool released;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

static int pass_gate(void *arg)
{
    pthread_mutex_lock(&gate.lock);
    gate.begun++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.released)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return *(int *)arg;
}

static void gate_await_begun(int n)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.begun < n)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_release(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.released = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int signals_blocked(void *fiber_seen)
{
    sigset_t set;

    *(struct fiber **)fiber_seen = fiber_self();
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD) && sigismember(&set, SIGINT) ? -42 : 0;
}

static void co_ask_worker(void *unused)
{
    struct fiber *seen = fiber_self();

    ck_assert_int_eq(co_run_worker(signals_blocked, &seen, "a worker"), -42);
    ck_assert_ptr_null(seen);
}

START_TEST(a_worker_answers_has_all_signals_blocked_and_is_no_fiber)
{
    run_in_fiber(co_ask_worker, NULL);
}
END_TEST

static int add_one(void *n)
{
    __atomic_add_fetch((int *)n, 1, __ATOMIC_RELAXED);
    return 0;
}

struct job_case {
    int value;
    int answer;
};

static void co_job(void *arg)
{
    struct job_case *c = arg;

    c->answer = co_run_worker(pass_gate, &c->value, "the gate");
}

static void co_cancel_begun_and_queued(void *arg)
{
    struct job_case c[6];
    struct fiber *f[6];
    int n = 0;

    ck_assert_int_eq(co_run_worker(add_one, &n, "a thread to be idle"), 0);
    for (int i = 0; i < 6; i++) {
        c[i] = (struct job_case){.value = i + 1};
        f[i] = fiber_ref(fiber_spawn("job", co_job, &c[i]));
    }
    ck_assert_int_eq(co_yield(), 0);
    gate_await_begun(4);
    for (int i = 0; i < 6; i += 5) /* the first has begun, the last cannot have */
        fiber_cancel(f[i]);
    ck_assert_int_eq(co_fiber_join(f[5], CLOCK_NEVER), 0);
    ck_assert_int_eq(c[5].answer, -ECANCELED);
    gate_release();
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(co_fiber_join(f[i], CLOCK_NEVER), 0);
        ck_assert_int_eq(c[i].answer, i < 5 ? i + 1 : -ECANCELED);
        fiber_unref(f[i]);
    }
    ck_assert_int_eq(gate.begun, 5);
}

START_TEST(a_job_that_has_begun_outlasts_cancellation_and_a_queued_one_does_not)
{
    run_in_fiber(co_cancel_begun_and_queued, NULL);
}
END_TEST

static void co_many_jobs(void *n)
{
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(co_run_worker(add_one, n, "addition"), 0);
}

START_TEST(many_fibers_share_the_workers)
{
    int n = 0;

    for (int i = 0; i < 20; i++)
        fiber_spawn("adder", co_many_jobs, &n);
    loop_run();
    ck_assert_int_eq(n, 4000);
    ck_assert_uint_eq(fiber_count(), 0);
}
END_TEST

/* ---- fault points ---- */

static void co_three_waits(void *answers)
{
    int *r = answers, n = 0;

    r[0] = co_sleep_until(0, "one");
    r[1] = co_yield();
    r[2] = co_run_worker(add_one, &n, "three");
    r[3] = n;
}

START_TEST(an_armed_wait_fails_once)
{
    int r[4];

    for (unsigned n = 1; n <= 4; n++) {
        fault_arm(FAULT_WAIT, n);
        run_in_fiber(co_three_waits, r);
        ck_assert_int_eq(fault_fired(), n <= 3);
        for (unsigned i = 0; i < 3; i++)
            ck_assert_int_eq(r[i], i + 1 == n ? -EIO : 0);
        ck_assert_int_eq(r[3], n != 3);
    }
    fault_disarm();
}
END_TEST

START_TEST(an_armed_cancellation_cancels_that_wait_and_those_after_it)
{
    int r[4];

    fault_arm(FAULT_CANCEL, 2);
    run_in_fiber(co_three_waits, r);
    ck_assert(fault_fired());
    ck_assert_int_eq(r[0], 0);
    ck_assert_int_eq(r[1], -ECANCELED);
    ck_assert_int_eq(r[2], -ECANCELED);
    ck_assert_int_eq(r[3], 0);
}
END_TEST

static void co_masked_waits(void *answers)
{
    fiber_mask_cancel();
    co_three_waits(answers);
    fiber_unmask_cancel();
}

START_TEST(masked_waits_are_not_counted)
{
    int r[4];

    fault_arm(FAULT_WAIT, 1);
    run_in_fiber(co_masked_waits, r);
    ck_assert(!fault_fired());
    run_in_fiber(co_three_waits, r);
    ck_assert(fault_fired());
    ck_assert_int_eq(r[0], -EIO);
}
END_TEST

START_TEST(only_the_armed_kinds_count)
{
    fault_arm(FAULT_QMP | FAULT_DB, 2);
    ck_assert_int_eq(fault_point(FAULT_STORAGE, "s"), 0);
    ck_assert_int_eq(fault_point(FAULT_QMP, "q"), 0);
    ck_assert_int_eq(fault_point(FAULT_NETWORK, "n"), 0);
    ck_assert(!fault_fired());
    ck_assert_int_eq(fault_point(FAULT_DB, "d"), -EIO);
    ck_assert(fault_fired());
    ck_assert_int_eq(fault_point(FAULT_DB, "d"), 0);
    fault_arm(FAULT_DB, 1);
    fault_disarm();
    ck_assert_int_eq(fault_point(FAULT_DB, "d"), 0);
    ck_assert(!fault_fired());
}
END_TEST

START_TEST(the_text_of_fault_at_is_read_strictly)
{
    static const char *const wrong[] = {"",       "qmp",    "qmp:",
                                        "qmp:0",  "qmp:-1", "qmp:1:die",
                                        ":1",     "+qmp:1", "qmp+:1",
                                        "qmpx:1", "qmp:1x", "qmp:1:kill ",
                                        "qm:1",   "qmp: 1", "qmp:99999999999999999999999",
                                        "+",      ":"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(fault_arm_text(wrong[i]), -EINVAL);
    ck_assert_uint_eq(fault_armed_kinds, 0);
    ck_assert_int_eq(fault_arm_text("qmp+db:2"), 0);
    ck_assert_uint_eq(fault_armed_kinds, FAULT_QMP | FAULT_DB);
    ck_assert_int_eq(fault_point(FAULT_QMP, "q"), 0);
    ck_assert_int_eq(fault_point(FAULT_DB, "d"), -EIO);
}
END_TEST

START_TEST(a_point_armed_to_kill_kills)
{
    ck_assert_int_eq(fault_arm_text("network:1:kill"), 0);
    fault_point(FAULT_NETWORK, "n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("waits");
    TCase *t = tcase_create("waits");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, sleep_is_never_too_short);
    tcase_add_test(t, clock_saturates);
    tcase_add_test(t, the_text_of_a_wait_is_bounded);
    tcase_add_test(t, a_descriptor_wakes_its_reader);
    tcase_add_test(t, a_descriptor_wait_ends_at_its_deadline);
    tcase_add_test(t, a_descriptor_wait_can_be_cancelled);
    tcase_add_test(t, signal_wakes_one_and_broadcast_all_the_rest);
    tcase_add_test(t, a_signal_is_not_lost_on_a_waiter_that_was_cancelled);
    tcase_add_test(t, a_waiter_cancelled_after_its_signal_keeps_it);
    tcase_add_test(t, a_condition_wait_ends_at_its_deadline);
    tcase_add_test(t, a_zeroed_condition_is_a_condition);
    tcase_add_test(t, a_child_is_waited_for_and_reaped);
    tcase_add_test(t, a_child_that_has_ended_before_is_reaped);
    tcase_add_test(t, a_worker_answers_has_all_signals_blocked_and_is_no_fiber);
    tcase_add_test(t, a_job_that_has_begun_outlasts_cancellation_and_a_queued_one_does_not);
    tcase_add_test(t, many_fibers_share_the_workers);
    tcase_add_test(t, an_armed_wait_fails_once);
    tcase_add_test(t, an_armed_cancellation_cancels_that_wait_and_those_after_it);
    tcase_add_test(t, masked_waits_are_not_counted);
    tcase_add_test(t, only_the_armed_kinds_count);
    tcase_add_test(t, the_text_of_fault_at_is_read_strictly);
    tcase_add_test_raise_signal(t, a_point_armed_to_kill_kills, SIGKILL);
    suite_add_tcase(s, t);
    return run_suite(s);
}
