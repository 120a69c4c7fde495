#include "xapid/daemonize.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/log.h"
#include "xapid/state_dir.h"

static int ready_fd = -1;
static bool in_background;

/* The calling process: wait for a byte from the daemon, or its end. */
static void wait_and_exit(int fd)
{
    char byte;
    ssize_t n;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        fputs("xapid: the daemon did not start, its log says why\n", stderr);
    _exit(n == 1 ? 0 : 1);
}

static int redirect(const char *state_dir, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    buf_printf(&path, "%s/log/xapid.log", state_dir);
    CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    CLEANUP_FD int log = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null < 0 || log < 0)
        return err_errno(e, -errno, "opening %s", buf_cstr(&path));
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
        return err_errno(e, -errno, "going into the background");
    return 0;
}

int daemonize(const char *state_dir, bool already, struct err *e)
{
    int fds[2];
    in_background = true;
    if (already)
        return 0;
    if (state_dir_make(state_dir, e) < 0)
        return -1;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(e, -errno, "going into the background");
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(e, -errno, "going into the background");
    if (pid > 0) {
        close(fds[1]);
        wait_and_exit(fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    return redirect(state_dir, e);
}

void daemonize_ready(void)
{
    if (ready_fd < 0)
        return;
    ssize_t ignored = write(ready_fd, "1", 1);
    (void)ignored;
    close(ready_fd);
    ready_fd = -1;
}

void daemonize_reopen_log(const char *state_dir)
{
    CLEANUP_ERR struct err e = {0};
    if (in_background && redirect(state_dir, &e) < 0)
        log_error("%s", e.params[0]);
}
