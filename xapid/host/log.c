/* host.get_log: the end of the daemon's log. */
#include "xapid/host/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/proc.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"

enum { TAIL = 512 * 1024, JOURNAL_MS = 60 * 1000 };

/* Whole lines of the end of the file that standard error is. */
static int read_tail(void *arg)
{
    struct buf *out = arg;
    CLEANUP_FD int fd = open("/proc/self/fd/2", O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    off_t from = st.st_size > TAIL ? st.st_size - TAIL : 0;
    ssize_t n = pread(fd, buf_reserve(out, TAIL), TAIL, from);
    if (n < 0)
        return -errno;
    const char *line = from > 0 ? memchr(out->data, '\n', (size_t)n) : NULL;
    out->len = (size_t)n;
    if (line)
        buf_consume(out, (size_t)(line + 1 - out->data));
    return 0;
}

static int co_read_journal(struct buf *out)
{
    static const char *const argv[] = {"journalctl", "--quiet", "--no-pager", "-o",    "short-iso",
                                       "-n",         "5000",    "-t",         "xapid", NULL};
    struct proc_result result = {0};
    int r = co_proc_run(argv, &result, clock_in_ms(JOURNAL_MS));
    if (r == 0 && result.status != 0)
        r = -EIO;
    if (r == 0)
        buf_add(out, result.out.data, result.out.len);
    proc_result_free(&result);
    return r;
}

int co_host_log_read(struct buf *out)
{
    struct stat st;
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        return co_run_worker(read_tail, out, "reading the log");
    return getenv("JOURNAL_STREAM") ? co_read_journal(out) : -ENODATA;
}

int co_host_get_log(struct call *c, const struct host_get_log_args *a, union value *ret, struct err *e)
{
    CLEANUP_BUF struct buf log = {0};
    if (host_is_here(c, a->host, e) < 0)
        return -1;
    int r = co_host_log_read(&log);
    if (r < 0)
        return err_errno(e, r, "reading the log");
    ret->s = talloc_strdup(c->mem, buf_cstr(&log));
    return 0;
}
