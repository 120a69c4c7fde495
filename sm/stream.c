#include "sm/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "sm/fail.h"

#define LAST_WORDS_MS 1000 /* for a program that has broken the pipe to say why and end */

struct sm_stream {
    bool write;
    char *path, *format;
    int ours, theirs; /* ends of the pipe */
    struct fiber *fiber;
    bool done;
    int result; /* of running the program, once done */
    struct proc_result proc;
};

static void co_move(void *arg)
{
    struct sm_stream *s = arg;
    const char *write[] = {"nbdcopy", "--flush", "--",    "-", "[", "qemu-nbd",
                           "-f",      s->format, s->path, "]", NULL};
    const char *read[] = {"nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", s->format, s->path, "]", "-", NULL};
    int null = open("/dev/null", s->write ? O_WRONLY | O_CLOEXEC : O_RDONLY | O_CLOEXEC);

    if (null < 0)
        s->result = -errno;
    else if (s->write)
        s->result = co_proc_run_piped(write, s->theirs, null, &s->proc, CLOCK_NEVER);
    else
        s->result = co_proc_run_piped(read, null, s->theirs, &s->proc, CLOCK_NEVER);
    if (null >= 0)
        close(null);
    close(TAKE_FD(s->theirs)); /* so that whoever is at the other end hears of it */
    s->done = true;
}

int sm_stream_open(const struct sm_attachment *disk, bool write, struct sm_stream **ret, int *ret_fd,
                   struct err *e)
{
    struct sm_stream *s;
    int fds[2];

    if (fault_point(FAULT_STORAGE, "stream") < 0)
        return sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "%s", disk->path);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, -errno, disk->path);
    s = mem_zalloc(sizeof *s);
    s->write = write;
    s->path = mem_strdup(disk->path);
    s->format = mem_strdup(disk->format);
    s->ours = fds[write ? 1 : 0];
    s->theirs = fds[write ? 0 : 1];
    s->fiber = fiber_ref(fiber_spawn("stream of a disk", co_move, s));
    *ret = s;
    *ret_fd = s->ours;
    return 0;
}

void sm_stream_close_pipe(struct sm_stream *s)
{
    if (s->ours >= 0)
        close(TAKE_FD(s->ours));
}

/* What the program said of its failure. */
static int fail_by_words(const struct sm_stream *s, struct err *e)
{
    const char *text = buf_cstr((struct buf *)(uintptr_t)&s->proc.err);
    enum sm_fail_code code = strstr(text, "No space left") ? SM_FAIL_NO_SPACE : SM_FAIL_UNKNOWN;

    if (s->result < 0)
        return sm_fail_errno(e, SM_FAIL_UNKNOWN, s->result, "nbdcopy");
    return sm_fail(e, code, "%.*s", (int)strcspn(text, "\n"), text);
}

static void release(struct sm_stream *s)
{
    sm_stream_close_pipe(s);
    fiber_unref(s->fiber);
    proc_result_free(&s->proc);
    free(s->path);
    free(s->format);
    free(s);
}

int co_sm_stream_finish(struct sm_stream *s, struct err *e)
{
    int rc;

    sm_stream_close_pipe(s);
    rc = co_fiber_join(s->fiber, CLOCK_NEVER);
    if (rc < 0) {
        co_sm_stream_abandon(s, NULL);
        return err_errno(e, rc, "the end of a stream");
    }
    if (s->result < 0 || s->proc.status != 0)
        rc = fail_by_words(s, e);
    release(s);
    return rc;
}

void co_sm_stream_abandon(struct sm_stream *s, struct err *e)
{
    fiber_mask_cancel();
    if (s->write)
        sm_stream_close_pipe(s);
    if (e && !s->done)
        co_fiber_join(s->fiber, clock_in_ms(LAST_WORDS_MS));
    if (e && s->done && (s->result < 0 || s->proc.status != 0))
        fail_by_words(s, e);
    if (!s->done) {
        fiber_cancel(s->fiber);
        co_fiber_join(s->fiber, CLOCK_NEVER);
    }
    fiber_unmask_cancel();
    release(s);
}
