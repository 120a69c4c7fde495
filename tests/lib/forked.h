#ifndef TESTS_LIB_FORKED_H
#define TESTS_LIB_FORKED_H
/*
 * Code that is expected to die, run in a process of its own.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/buf.h"

/* Run fn in a child whose standard error is collected in *err. Returns the wait status. */
static inline int run_forked(void (*fn)(void), struct buf *err)
{
    struct rlimit no_core = {0, 0};
    int fds[2], status;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], buf_reserve(err, 4096), 4096)) > 0)
        err->len += (size_t)n;
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* Sanitizers may turn a signal into an exit code of their own, except for abort(). */
#define assert_killed_by(status, sig)                                                                  \
    do {                                                                                               \
        int status_ = (status);                                                                        \
        ck_assert_msg(WIFSIGNALED(status_) && WTERMSIG(status_) == (sig), "wait status %#x", status_); \
    } while (0)

#endif
