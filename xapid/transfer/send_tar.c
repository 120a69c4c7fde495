#include "xapid/transfer/send_tar.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/proc.h"

enum { PIECE = 64 * 1024, IDLE_MS = 5 * 60 * 1000 };

static ssize_t co_read_pipe(int fd, char *bytes, size_t n)
{
    ssize_t r;
    while ((r = read(fd, bytes, n)) < 0 && errno == EAGAIN) {
        int w = co_wait_fd(fd, EV_READ, clock_in_ms(IDLE_MS), "an archive to be written");
        if (w < 0)
            return w;
    }
    return r < 0 ? -errno : r;
}

static int co_send_output(struct transfer *t, int fd, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    ssize_t n;
    while ((n = co_read_pipe(fd, bytes, PIECE)) > 0)
        if (co_transfer_write(t, bytes, (size_t)n, e) < 0)
            return -1;
    return n < 0 ? err_errno(e, (int)n, "reading an archive") : 0;
}

/* tar's exit status 1 tells of files that grew meanwhile, as logs do. */
int co_transfer_send_tar(struct transfer *t, const char *const *argv, const char *type, const char *name,
                         struct err *e)
{
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, -errno, "making an archive");
    CLEANUP_FD int out = ends[0];
    fcntl(out, F_SETFL, O_NONBLOCK);
    pid_t pid = proc_spawn_fds(argv, (int[]){-1, ends[1], STDERR_FILENO}, 3);
    close(ends[1]);
    if (pid < 0)
        return err_errno(e, pid, "starting tar");
    int r = co_transfer_answer(t, type, -1, name, e);
    if (r == 0)
        r = co_send_output(t, out, e);
    if (r == 0 && co_wait_child(pid, &status, clock_in_ms(IDLE_MS), "tar to end") == 0)
        return status >> 8 <= 1 ? 0 : err_internal(e, "tar ended with status %d", status >> 8);
    co_proc_end(pid, SIGKILL);
    return err_is_set(e) ? -1 : err_internal(e, "tar does not end");
}
