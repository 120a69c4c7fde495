/* The QEMU driver against a QEMU that misbehaves, and against faults at every step. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "tests/hv/faked.h"
#include "tests/in_fiber.h"

static struct fixture f;
static struct hv *hv;
static struct hv_vm_spec spec;
static unsigned fds_before;
static int state_fd; /* above 0: lives begin as restored ones */

static void open_driver(void)
{
    faked_open(&f, "kvm");
    hv = f.hv;
}

/* ---- one life, which may fail anywhere ---- */

struct life {
    unsigned kinds, n; /* the fault it meets; 0: none */
    struct err error;
    bool started, done, fired;
};

static void ignore_progress(double done, void *arg)
{
}

static int co_save_and_go_on(struct err *e)
{
    CLEANUP_FD int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    return hv->driver->co_save(hv, spec.uuid, fd, ignore_progress, NULL, e) < 0
               ? -1
               : hv->driver->co_unpause(hv, spec.uuid, e);
}

/* Started or restored, paused, resumed, saved, shut down. */
static void co_life(void *arg)
{
    struct life *l = arg;
    struct hv_vm_facts facts;

    spec.state_fd = state_fd;
    fault_arm(l->kinds, l->n);
    l->started = hv->driver->co_start(hv, &spec, &facts, &l->error) == 0;
    l->done = l->started && hv->driver->co_pause(hv, spec.uuid, &l->error) == 0 &&
              hv->driver->co_unpause(hv, spec.uuid, &l->error) == 0 && co_save_and_go_on(&l->error) == 0 &&
              hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(60000), &l->error) == 0;
}

/* In a fiber of its own, so that it can be cancelled. */
static void co_live(struct life *l)
{
    struct fiber *fiber = fiber_ref(fiber_spawn("life", co_life, l));

    ck_assert_int_eq(co_fiber_join(fiber, clock_in_ms(120000)), 0);
    fiber_unref(fiber);
}

static void assert_nothing_left(const struct life *l, const char *story)
{
    ck_assert_msg(!fixture_has_folder(&f, spec.uuid), "%s: a folder is left", story);
    ck_assert_msg(!fixture_has_children(), "%s: a child is left", story);
    ck_assert_msg(fixture_fd_count() == fds_before, "%s: %u descriptors, %u before", story,
                  fixture_fd_count(), fds_before);
    ck_assert_msg(fiber_count() == 1, "%s: %u fibers", story, fiber_count());
    ck_assert_msg(fixture_count(&f, HV_REPORT_STOPPED) == l->started, "%s: %u reports of an end", story,
                  fixture_count(&f, HV_REPORT_STOPPED));
}

/* Live through it, stop what is left, look for leaks, and live again undisturbed. */
static void co_survive(struct life *l, const char *story)
{
    CLEANUP_ERR struct err e = {0};
    struct life again = {0};

    fixture_forget(&f);
    fixture_spec(&spec);
    fds_before = fixture_fd_count();
    co_live(l);
    l->fired = l->n > 0 && fault_fired();
    fault_disarm();
    if (hv->driver->state(hv, spec.uuid) != HV_STATE_GONE)
        ck_assert_msg(hv->driver->co_stop(hv, spec.uuid, &e) == 0, "%s: %s", story,
                      e.params ? e.params[0] : "");
    ck_assert_msg(l->done == !err_is_set(&l->error), "%s: done %d, error %s", story, l->done,
                  l->error.code ? l->error.code : "none");
    assert_nothing_left(l, story);
    err_clear(&l->error);

    faked_misbehave("");
    fixture_forget(&f);
    co_live(&again);
    ck_assert_msg(again.done, "%s: a retry fails: %s", story,
                  again.error.n_params ? again.error.params[0] : "");
    assert_nothing_left(&again, story);
}

/* ---- a QEMU that misbehaves ---- */

/* Of a life: capabilities, 3 queries, cont, stop, cont, 7 to save, 4 to go on, powerdown, and one more. */
#define COMMANDS 20

static void co_meet_each(void *arg)
{
    const char *what = arg;
    char how[40];
    struct life l;

    open_driver();
    for (unsigned n = 0; n < COMMANDS; n++) {
        l = (struct life){0};
        snprintf(how, sizeof how, "%s:%u", what, n);
        faked_misbehave(how);
        co_survive(&l, how);
    }
    hv->driver->free(hv);
}

#define MISBEHAVIOUR(name, what)         \
    START_TEST(name)                     \
    {                                    \
        static char how[] = what;        \
                                         \
        run_in_fiber(co_meet_each, how); \
    }                                    \
    END_TEST

MISBEHAVIOUR(a_qemu_that_refuses_any_command_leaves_nothing, "error")
MISBEHAVIOUR(a_connection_cut_at_any_command_leaves_nothing, "cut")
MISBEHAVIOUR(a_qemu_that_ends_at_any_command_leaves_nothing, "exit")
MISBEHAVIOUR(garbage_at_any_command_leaves_nothing, "garbage")
MISBEHAVIOUR(a_huge_line_at_any_command_leaves_nothing, "huge")

static void co_meet_harmless(void *arg)
{
    char how[40];
    struct life l;

    open_driver();
    for (unsigned n = 0; n < COMMANDS; n++) {
        l = (struct life){0};
        snprintf(how, sizeof how, "slow:%u,odd:%u,split:%u", n, n, n);
        faked_misbehave(how);
        co_survive(&l, how);
        ck_assert_msg(l.done, "%s is no reason to fail", how);
    }
    hv->driver->free(hv);
}

START_TEST(slow_answers_in_odd_order_do_no_harm)
{
    run_in_fiber(co_meet_harmless, NULL);
}
END_TEST

static void co_hear_why(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    open_driver();
    fixture_spec(&spec);
    faked_misbehave("die:0");
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), -1);
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
    ck_assert_str_eq(e.params[2], "fake: this is why");
    ck_assert_uint_eq(f.n_seen, 0);
    hv->driver->free(hv);
}

START_TEST(the_last_words_of_a_dying_qemu_are_the_reason)
{
    run_in_fiber(co_hear_why, NULL);
}
END_TEST

static void co_shut_down_deaf(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    open_driver();
    fixture_spec(&spec);
    faked_misbehave("deaf:0");
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(50), &e), -1);
    ck_assert(err_is(&e, "VM_SHUTDOWN_TIMEOUT"));
    err_clear(&e);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_RUNNING);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(co_fixture_report(&f, HV_REPORT_STOPPED, spec.uuid)->reason, HV_STOP_REQUESTED);
    hv->driver->free(hv);
}

START_TEST(a_guest_that_does_not_obey_is_left_running)
{
    run_in_fiber(co_shut_down_deaf, NULL);
}
END_TEST

static void co_shut_down_drowsy(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    open_driver();
    fixture_spec(&spec);
    faked_misbehave("drowsy:0");
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(hv->driver->co_shutdown(hv, spec.uuid, clock_in_ms(60000), &e), 0);
    ck_assert_int_eq(co_fixture_report(&f, HV_REPORT_STOPPED, spec.uuid)->reason, HV_STOP_GUEST_SHUTDOWN);
    hv->driver->free(hv);
}

START_TEST(the_power_button_is_pressed_again)
{
    run_in_fiber(co_shut_down_drowsy, NULL);
}
END_TEST

/* The monitor hangs (its fourth command is never answered); the end comes all the same. */
static void co_stop_silent(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    open_driver();
    fixture_spec(&spec);
    faked_misbehave("silent:5");
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(co_fixture_report(&f, HV_REPORT_STOPPED, spec.uuid)->reason, HV_STOP_REQUESTED);
    ck_assert(!fixture_has_children());
    hv->driver->free(hv);
}

START_TEST(a_qemu_that_does_not_answer_is_killed)
{
    run_in_fiber(co_stop_silent, NULL);
}
END_TEST

/* ---- fault sweep ---- */

static void co_sweep(void *arg)
{
    unsigned kinds = *(const unsigned *)arg, n = 0;
    char story[60];
    bool fired;
    struct life l;

    open_driver();
    faked_misbehave("");
    do {
        snprintf(story, sizeof story, "fault %u of kinds %u", ++n, kinds);
        l = (struct life){.kinds = kinds, .n = n};
        fiber_set_shuffle_seed(n);
        co_survive(&l, story);
        fired = l.fired;
        ck_assert_msg(l.done == !fired, "%s: fired %d, done %d", story, fired, l.done);
    } while (fired);
    ck_assert_uint_ge(n, 4);
    hv->driver->free(hv);
}

START_TEST(every_failing_command_leaves_nothing)
{
    unsigned kinds = FAULT_QMP;

    run_in_fiber(co_sweep, &kinds);
}
END_TEST

START_TEST(every_failing_command_of_a_restored_guest_leaves_nothing)
{
    unsigned kinds = FAULT_QMP;

    state_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_in_fiber(co_sweep, &kinds);
}
END_TEST

static void co_restore(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    open_driver();
    fixture_spec(&spec);
    spec.state_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    close(spec.state_fd);
    ck_assert(facts.state == HV_STATE_PAUSED && facts.held);
    ck_assert_int_eq(hv->driver->co_unpause(hv, spec.uuid, &e), 0);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_RUNNING);
    ck_assert_uint_eq(fixture_count(&f, HV_REPORT_RESUMED), 0);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    hv->driver->free(hv);
}

START_TEST(a_restored_guest_stands_still_until_it_is_let_go)
{
    run_in_fiber(co_restore, NULL);
}
END_TEST

static void co_outlast(void *arg)
{
    struct life l = {0};

    open_driver();
    faked_misbehave("lingering:0");
    co_survive(&l, "a move that lingers");
    ck_assert(l.done);
    hv->driver->free(hv);
}

START_TEST(a_saved_guest_goes_on_once_its_move_is_over)
{
    run_in_fiber(co_outlast, NULL);
}
END_TEST

static void co_fail_to_save(void *how)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    open_driver();
    fixture_spec(&spec);
    faked_misbehave(how);
    ck_assert_int_eq(hv->driver->co_start(hv, &spec, &facts, &e), 0);
    ck_assert_int_eq(co_save_and_go_on(&e), -1);
    ck_assert_int_eq(hv->driver->state(hv, spec.uuid), HV_STATE_RUNNING);
    err_clear(&e);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    hv->driver->free(hv);
}

START_TEST(a_guest_that_cannot_be_saved_goes_on_once_its_move_is_over)
{
    run_in_fiber(co_fail_to_save, (void *)(uintptr_t) "fails:0,lingering:0");
}
END_TEST

START_TEST(every_failing_wait_leaves_nothing)
{
    unsigned kinds = FAULT_WAIT;

    run_in_fiber(co_sweep, &kinds);
}
END_TEST

START_TEST(cancelling_at_every_wait_leaves_nothing)
{
    unsigned kinds = FAULT_CANCEL;

    run_in_fiber(co_sweep, &kinds);
}
END_TEST

/* ---- a daemon that is killed at every step of a start ---- */

/* Does a process with this text in its command line live? */
static bool process_lives(const char *text)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;
    bool lives = false;

    while (d && !lives && (entry = readdir(d))) {
        char path[300], line[2048];
        FILE *file;
        size_t n;

        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        file = fopen(path, "re");
        n = file ? fread(line, 1, sizeof line, file) : 0;
        lives = memmem(line, n, text, strlen(text)) != NULL;
        if (file)
            fclose(file);
    }
    if (d)
        closedir(d);
    return lives;
}

static void co_start_to_be_killed(void *arg)
{
    struct hv_vm_facts facts;
    struct err e = {0};

    open_driver();
    fault_arm_text(arg);
    if (hv->driver->co_start(hv, &spec, &facts, &e) == 0)
        _exit(fault_fired() ? 2 : 0);
    _exit(3);
}

struct visits {
    unsigned n;
    enum hv_state state;
};

static void note_visit(const char *uuid, const struct hv_vm_facts *facts, void *arg)
{
    struct visits *v = arg;

    ck_assert_str_eq(uuid, spec.uuid);
    v->n++;
    v->state = facts->state;
}

enum outcome { LEFT_NOTHING, LEFT_GUEST, LEFT_EITHER };

/* Whatever the dead daemon left: a running guest that is taken over, or nothing. */
static void co_repair(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    enum outcome expected = *(const enum outcome *)arg;
    struct visits v = {0};

    open_driver();
    ck_assert_int_eq(hv->driver->co_adopt(hv, note_visit, &v, &e), 0);
    ck_assert_uint_le(v.n, 1);
    ck_assert(expected == LEFT_EITHER || v.n == (expected == LEFT_GUEST));
    if (v.n > 0)
        ck_assert_int_eq(v.state, HV_STATE_RUNNING);
    ck_assert_int_eq(process_lives(spec.uuid), v.n > 0);
    ck_assert_int_eq(fixture_has_folder(&f, spec.uuid), v.n > 0);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    ck_assert(!process_lives(spec.uuid));
    ck_assert(!fixture_has_folder(&f, spec.uuid));
    hv->driver->free(hv);
}

static void assert_repaired(enum outcome expected, const char *story)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        run_in_fiber(co_repair, &expected);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s: the repair failed", story);
}

static bool kill_daemon_at(unsigned n)
{
    char when[40];
    bool complete;
    int status;
    pid_t pid;

    snprintf(when, sizeof when, "wait+qmp:%u:kill", n);
    fixture_spec(&spec);
    pid = fork();
    if (pid == 0) {
        run_in_fiber(co_start_to_be_killed, when);
        _exit(4);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    complete = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ck_assert_msg(complete || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL), "%s: status %#x", when,
                  status);
    assert_repaired(complete ? LEFT_GUEST : LEFT_NOTHING, when);
    return !complete;
}

START_TEST(a_daemon_killed_at_any_step_of_a_start_leaves_nothing_that_is_not_repaired)
{
    unsigned n = 1;

    faked_misbehave("");
    fixture_init(&f);
    while (kill_daemon_at(n))
        n++;
    ck_assert_uint_ge(n, 3);
}
END_TEST

static void co_start_for_ever(void *unused)
{
    struct hv_vm_facts facts;
    struct err e = {0};

    open_driver();
    hv->driver->co_start(hv, &spec, &facts, &e);
    pause();
}

/* From before the folder is there until the guest runs: a start takes about 3 ms here. */
START_TEST(a_daemon_killed_at_any_moment_of_a_start_leaves_nothing_that_is_not_repaired)
{
    char story[40];
    int status;
    pid_t pid;

    faked_misbehave("");
    fixture_init(&f);
    for (long us = 0; us < 6000; us += 60) {
        snprintf(story, sizeof story, "killed after %ld us", us);
        fixture_spec(&spec);
        pid = fork();
        if (pid == 0)
            run_in_fiber(co_start_for_ever, NULL);
        nanosleep(&(struct timespec){0, us * 1000}, NULL);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        assert_repaired(LEFT_EITHER, story);
    }
}
END_TEST

static void co_start_and_be_killed(void *unused)
{
    struct hv_vm_facts facts;
    struct err e = {0};

    open_driver();
    if (hv->driver->co_start(hv, &spec, &facts, &e) < 0)
        _exit(1);
    kill(getpid(), SIGKILL);
}

/* Its monitor does not answer, but a live guest is never given up. */
static void co_adopt_silent(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct visits v = {0};

    open_driver();
    ck_assert_int_eq(hv->driver->co_adopt(hv, note_visit, &v, &e), 0);
    ck_assert_uint_eq(v.n, 1);
    ck_assert_int_eq(v.state, HV_STATE_RUNNING);
    ck_assert_int_eq(hv->driver->co_stop(hv, spec.uuid, &e), 0);
    ck_assert(!process_lives(spec.uuid));
    hv->driver->free(hv);
}

START_TEST(a_guest_whose_qemu_is_silent_is_taken_over_all_the_same)
{
    int status;
    pid_t pid;

    faked_misbehave("silent:5");
    fixture_init(&f);
    fixture_spec(&spec);
    pid = fork();
    if (pid == 0)
        run_in_fiber(co_start_and_be_killed, NULL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    run_in_fiber(co_adopt_silent, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qmp");
    TCase *c = tcase_create("qmp");
    int r;

    log_set_level(LOG_LEVEL_ERROR);
    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, a_qemu_that_refuses_any_command_leaves_nothing);
    tcase_add_test(c, a_connection_cut_at_any_command_leaves_nothing);
    tcase_add_test(c, a_qemu_that_ends_at_any_command_leaves_nothing);
    tcase_add_test(c, garbage_at_any_command_leaves_nothing);
    tcase_add_test(c, a_huge_line_at_any_command_leaves_nothing);
    tcase_add_test(c, slow_answers_in_odd_order_do_no_harm);
    tcase_add_test(c, the_last_words_of_a_dying_qemu_are_the_reason);
    tcase_add_test(c, a_guest_that_does_not_obey_is_left_running);
    tcase_add_test(c, the_power_button_is_pressed_again);
    tcase_add_test(c, a_qemu_that_does_not_answer_is_killed);
    tcase_add_test(c, every_failing_command_leaves_nothing);
    tcase_add_test(c, every_failing_command_of_a_restored_guest_leaves_nothing);
    tcase_add_test(c, a_restored_guest_stands_still_until_it_is_let_go);
    tcase_add_test(c, a_saved_guest_goes_on_once_its_move_is_over);
    tcase_add_test(c, a_guest_that_cannot_be_saved_goes_on_once_its_move_is_over);
    tcase_add_test(c, every_failing_wait_leaves_nothing);
    tcase_add_test(c, cancelling_at_every_wait_leaves_nothing);
    tcase_add_test(c, a_daemon_killed_at_any_step_of_a_start_leaves_nothing_that_is_not_repaired);
    tcase_add_test(c, a_daemon_killed_at_any_moment_of_a_start_leaves_nothing_that_is_not_repaired);
    tcase_add_test(c, a_guest_whose_qemu_is_silent_is_taken_over_all_the_same);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
