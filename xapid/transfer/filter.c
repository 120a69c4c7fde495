#include "xapid/transfer/filter.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/proc.h"

enum { PIECE = 64 * 1024, IDLE_MS = 15 * 60 * 1000 };

struct filter {
    struct transfer *transfer;
    bool sending;
    pid_t pid;   /* 0: has been reaped */
    int in, out; /* our ends of its input and output; -1: closed */
    struct fiber *carrier;
    struct err error; /* of the carrier */
};

/* ---- pipes ---- */

static int co_pipe_write(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        int rc = done >= 0 ? 0 : co_wait_fd(fd, EV_WRITE, clock_in_ms(IDLE_MS), "a filter to take bytes");
        if (rc < 0)
            return rc;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

static ssize_t co_pipe_read(int fd, void *bytes, size_t n)
{
    for (;;) {
        ssize_t r = read(fd, bytes, n);
        if (r >= 0 || (errno != EAGAIN && errno != EINTR))
            return r < 0 ? -errno : r;
        int rc = co_wait_fd(fd, EV_READ, clock_in_ms(IDLE_MS), "bytes from a filter");
        if (rc < 0)
            return rc;
    }
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- between the program and the client ---- */

static void co_carry_out(struct filter *f, char *bytes)
{
    ssize_t n;

    while ((n = co_pipe_read(f->out, bytes, PIECE)) > 0)
        if (co_transfer_write_plain(f->transfer, bytes, (size_t)n, &f->error) < 0)
            break;
    if (n < 0 && !err_is_set(&f->error))
        err_errno(&f->error, (int)n, "reading from a filter");
    /* The program must not wait for us for ever. */
    close_end(&f->out);
}

static void co_carry_in(struct filter *f, char *bytes)
{
    ssize_t n;

    while ((n = co_transfer_read_plain(f->transfer, bytes, PIECE, &f->error)) > 0)
        if (co_pipe_write(f->in, bytes, (size_t)n) < 0)
            break;
    close_end(&f->in);
}

static void co_carry(void *arg)
{
    struct filter *f = arg;
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);

    if (f->sending)
        co_carry_out(f, bytes);
    else
        co_carry_in(f, bytes);
}

/* ---- life ---- */

/* Start the program on two pipes; our ends do not block. */
static int start(struct filter *f, const char *const *argv)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, rc = 0;

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        rc = -errno;
    f->in = in[1];
    f->out = out[0];
    if (rc == 0 && (fcntl(f->in, F_SETFL, O_NONBLOCK) < 0 || fcntl(f->out, F_SETFL, O_NONBLOCK) < 0))
        rc = -errno;
    if (rc == 0)
        rc = f->pid = proc_spawn_fds(argv, (int[]){in[0], out[1], STDERR_FILENO}, 3);
    close_end(&in[0]);
    close_end(&out[1]);
    return rc < 0 ? rc : 0;
}

int co_filter_open(struct transfer *t, const char *const *argv, bool sending, struct err *e)
{
    struct filter *f = mem_zalloc(sizeof *f);
    int rc;

    *f = (struct filter){.transfer = t, .sending = sending, .in = -1, .out = -1};
    rc = start(f, argv);
    if (rc < 0) {
        f->pid = 0;
        t->filter = f;
        co_filter_close(t);
        return err_errno(e, rc, "starting %s", argv[0]);
    }
    f->carrier = fiber_ref(fiber_spawn(argv[0], co_carry, f));
    t->filter = f;
    return 0;
}

/* Wait for the program's own end; its exit code. */
static int co_reap(struct filter *f)
{
    int status = 0, rc = co_wait_child(f->pid, &status, clock_in_ms(IDLE_MS), "a filter to end");

    if (rc < 0)
        return rc;
    f->pid = 0;
    return status;
}

int co_filter_write(struct filter *f, const void *bytes, size_t n, struct err *e)
{
    int rc = co_pipe_write(f->in, bytes, n);

    if (rc < 0 && err_is_set(&f->error))
        err_copy(e, &f->error);
    return rc < 0 ? err_errno(e, rc, "writing to a filter") : 0;
}

ssize_t co_filter_read(struct filter *f, void *bytes, size_t n, struct err *e)
{
    ssize_t r = co_pipe_read(f->out, bytes, n);

    if (r > 0)
        return r;
    if (r < 0)
        return err_errno(e, (int)r, "reading from a filter");
    if (err_is_set(&f->error))
        err_copy(e, &f->error);
    else if (f->pid > 0 && co_reap(f) != 0)
        err_set(e, "IMPORT_ERROR", 1, "The archive cannot be decompressed");
    return err_is_set(e) ? -1 : 0;
}

int co_filter_finish(struct transfer *t, struct err *e)
{
    struct filter *f = t->filter;

    if (!f)
        return 0;
    close_end(&f->in);
    int rc = co_fiber_join(f->carrier, clock_in_ms(24 * 3600 * 1000LL));
    if (rc == 0)
        rc = err_is_set(&f->error) ? -EIO : co_reap(f);
    if (rc != 0 && err_is_set(&f->error))
        err_copy(e, &f->error);
    return rc != 0 ? err_internal(e, "a filter failed (%d)", rc) : 0;
}

void co_filter_close(struct transfer *t)
{
    struct filter *f = TAKE_PTR(t->filter);

    if (!f)
        return;
    fiber_mask_cancel();
    if (f->carrier) {
        fiber_cancel(f->carrier);
        (void)co_fiber_join(f->carrier, CLOCK_NEVER);
        fiber_unref(f->carrier);
    }
    close_end(&f->in);
    close_end(&f->out);
    if (f->pid > 0)
        co_proc_end(f->pid, SIGKILL);
    fiber_unmask_cancel();
    err_clear(&f->error);
    free(f);
}
