/* Child programs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/proc.h"
#include "tests/in_fiber.h"

#define SH(script)               \
    (const char *const[])        \
    {                            \
        "sh", "-c", script, NULL \
    }

/* Run a shell script to its end and compare what it leaves. */
static void co_expect(const char *script, int status, const char *out, const char *err)
{
    struct proc_result r;

    ck_assert_int_eq(co_proc_run(SH(script), &r, CLOCK_NEVER), 0);
    ck_assert_int_eq(r.status, status);
    ck_assert_str_eq(buf_cstr(&r.out), out);
    ck_assert_str_eq(buf_cstr(&r.err), err);
    proc_result_free(&r);
}

static void co_results(void *unused)
{
    co_expect("echo out; echo err >&2; exit 3", 3, "out\n", "err\n");
    co_expect("kill -TERM $$", 128 + SIGTERM, "", "");
    co_expect("cat; echo $LC_ALL", 0, "C.UTF-8\n", "");
}

START_TEST(a_program_gives_its_exit_code_and_output)
{
    run_in_fiber(co_results, NULL);
}
END_TEST

static void co_clean_start(void *unused)
{
    int leaked = fcntl(0, F_DUPFD, 50);
    sigset_t set;

    ck_assert_int_ge(leaked, 50);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR1, SIG_IGN);
    /* The C library keeps signals 32 and 33 to itself, whatever they inherit. */
    co_expect("test -e /proc/self/fd/50 && echo leaked;"
              "for i in 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$i && echo $i; done;"
              "grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -o '.......$'; readlink /proc/$$/fd/0",
              0, "0000000\n0000000\n/dev/null\n", "");
    close(leaked);
}

START_TEST(a_program_inherits_no_descriptors_and_no_signal_state)
{
    run_in_fiber(co_clean_start, NULL);
}
END_TEST

static void co_managed(void *unused)
{
    setenv("NOTIFY_SOCKET", "/run/notify", 1);
    setenv("WATCHDOG_USEC", "100000", 1);
    setenv("XAPID_KEPT", "yes", 1);
    co_expect("echo $NOTIFY_SOCKET$WATCHDOG_USEC$XAPID_KEPT", 0, "yes\n", "");
    ck_assert_str_eq(getenv("NOTIFY_SOCKET"), "/run/notify");
}

START_TEST(a_program_does_not_answer_our_service_manager)
{
    run_in_fiber(co_managed, NULL);
}
END_TEST

static void co_missing(void *unused)
{
    struct proc_result r;

    ck_assert_int_eq(co_proc_run((const char *const[]){"no-such-program", NULL}, &r, CLOCK_NEVER), -ENOENT);
    proc_result_free(&r);
    ck_assert_int_eq(co_proc_run((const char *const[]){"/no/such/program", NULL}, &r, CLOCK_NEVER), -ENOENT);
    proc_result_free(&r);
    ck_assert_int_eq(co_proc_run((const char *const[]){"/etc/passwd", NULL}, &r, CLOCK_NEVER), -EACCES);
    proc_result_free(&r);
    ck_assert_int_eq(co_proc_run((const char *const[]){NULL}, &r, CLOCK_NEVER), -EINVAL);
    proc_result_free(&r);
}

START_TEST(a_program_that_cannot_be_started_is_an_error)
{
    run_in_fiber(co_missing, NULL);
}
END_TEST

static void co_search(void *unused)
{
    setenv("PATH", "", 1);
    co_expect("exit 4", 4, "", "");
    unsetenv("PATH");
    co_expect("exit 5", 5, "", "");
    setenv("PATH", "::/nonexistent:/bin", 1);
    co_expect("exit 6", 6, "", "");
}

START_TEST(a_program_is_found_whatever_path_says)
{
    run_in_fiber(co_search, NULL);
}
END_TEST

/* The group's members hold the pipe's writing end; once all are dead the reader sees its end. */
static const char sleepers[] = "sleep 1000 & echo started; sleep 1000; wait";

static void co_too_late(void *unused)
{
    struct proc_result r;

    ck_assert_int_eq(co_proc_run(SH(sleepers), &r, clock_in_ms(50)), -ETIMEDOUT);
    proc_result_free(&r);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

START_TEST(a_program_that_takes_too_long_is_killed_and_reaped)
{
    run_in_fiber(co_too_late, NULL);
}
END_TEST

struct group_case {
    int write_fd;
    int answer;
};

/* Both processes of the group keep descriptor 3 of the pipe open by way of a path, as none is inherited. */
static void co_run_group(void *arg)
{
    struct group_case *c = arg;
    CLEANUP_BUF struct buf script = {0};
    struct proc_result r;

    buf_printf(&script, "exec 3>/proc/%d/fd/%d; sleep 1000 & printf x >&3; wait", (int)getpid(), c->write_fd);
    c->answer = co_proc_run(SH(buf_cstr(&script)), &r, CLOCK_NEVER);
    proc_result_free(&r);
}

static void co_cancel_group(void *unused)
{
    int fds[2];
    struct group_case c;
    struct fiber *f;
    char byte;

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    c = (struct group_case){fds[1], 0};
    f = fiber_ref(fiber_spawn("group", co_run_group, &c));
    ck_assert_int_eq(co_wait_fd(fds[0], 1, CLOCK_NEVER, "the group's first byte"), 1);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    close(fds[1]);
    fiber_cancel(f);
    ck_assert_int_eq(co_fiber_join(f, CLOCK_NEVER), 0);
    ck_assert_int_eq(c.answer, -ECANCELED);
    ck_assert_int_eq(co_wait_fd(fds[0], 1, CLOCK_NEVER, "the end of the whole group"), 1);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0);
    fiber_unref(f);
    close(fds[0]);
}

START_TEST(cancelling_kills_the_whole_process_group)
{
    run_in_fiber(co_cancel_group, NULL);
}
END_TEST

static void co_much(void *unused)
{
    struct proc_result r;

    ck_assert_int_eq(
        co_proc_run(SH("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"), &r, CLOCK_NEVER), 0);
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(r.out.len, 3000000);
    ck_assert_uint_eq(r.err.len, 65536);
    proc_result_free(&r);
    ck_assert_int_eq(co_proc_run(SH("cat /dev/zero"), &r, CLOCK_NEVER), -EFBIG);
    proc_result_free(&r);
}

START_TEST(output_is_limited)
{
    run_in_fiber(co_much, NULL);
}
END_TEST

static void co_daemon(void *unused)
{
    struct proc_result r;
    pid_t pid;

    ck_assert_int_eq(co_proc_run(SH("sleep 1000 & echo $!"), &r, CLOCK_NEVER), 0);
    pid = atoi(buf_cstr(&r.out));
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    proc_result_free(&r);
}

START_TEST(a_grandchild_that_keeps_the_pipe_does_not_hold_up_the_end)
{
    run_in_fiber(co_daemon, NULL);
}
END_TEST

static void co_spawned(void *unused)
{
    CLEANUP_FD int fd = -1;
    char path[] = "/tmp/test_proc.XXXXXX", text[32];
    int status;
    ssize_t n;
    pid_t pid;

    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    pid = proc_spawn(SH("echo a; echo b >&2; exit 9"), fd);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(co_wait_child(pid, &status, CLOCK_NEVER, "the child"), 0);
    ck_assert_int_eq(WEXITSTATUS(status), 9);
    n = pread(fd, text, sizeof text, 0);
    ck_assert_int_eq(n, 4);
    ck_assert_int_eq(memcmp(text, "a\nb\n", 4), 0);
    pid = proc_spawn(SH("echo nobody reads this"), -1);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(co_wait_child(pid, &status, CLOCK_NEVER, "the child"), 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(proc_spawn((const char *const[]){"no-such-program", NULL}, -1), -ENOENT);
}

START_TEST(a_spawned_program_writes_to_the_log_descriptor)
{
    run_in_fiber(co_spawned, NULL);
}
END_TEST

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 200; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void co_swept(void *ret)
{
    struct proc_result r;

    *(int *)ret = co_proc_run(SH("sleep 0; echo x"), &r, CLOCK_NEVER);
    proc_result_free(&r);
}

START_TEST(a_failed_or_cancelled_wait_leaks_neither_child_nor_descriptor)
{
    static const unsigned kinds[] = {FAULT_WAIT, FAULT_CANCEL};
    unsigned before;
    int r;

    run_in_fiber(co_swept, &r);
    before = open_fds();
    for (int k = 0; k < 2; k++) {
        unsigned n = 0;

        do {
            fault_arm(kinds[k], ++n);
            run_in_fiber(co_swept, &r);
            ck_assert_int_eq(r, !fault_fired() ? 0 : kinds[k] == FAULT_WAIT ? -EIO : -ECANCELED);
            ck_assert_uint_eq(open_fds(), before);
            ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        } while (fault_fired());
        ck_assert_uint_gt(n, 1);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proc");
    TCase *t = tcase_create("proc");

    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_test(t, a_program_gives_its_exit_code_and_output);
    tcase_add_test(t, a_program_inherits_no_descriptors_and_no_signal_state);
    tcase_add_test(t, a_program_does_not_answer_our_service_manager);
    tcase_add_test(t, a_program_that_cannot_be_started_is_an_error);
    tcase_add_test(t, a_program_is_found_whatever_path_says);
    tcase_add_test(t, a_program_that_takes_too_long_is_killed_and_reaped);
    tcase_add_test(t, cancelling_kills_the_whole_process_group);
    tcase_add_test(t, output_is_limited);
    tcase_add_test(t, a_grandchild_that_keeps_the_pipe_does_not_hold_up_the_end);
    tcase_add_test(t, a_spawned_program_writes_to_the_log_descriptor);
    tcase_add_test(t, a_failed_or_cancelled_wait_leaks_neither_child_nor_descriptor);
    suite_add_tcase(s, t);
    return run_suite(s);
}
