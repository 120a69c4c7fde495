#include "sm/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "sm/fail.h"
#include "sm/image.h"
#include "sm/qcow2.h"

#define FULL_BELOW (UINT64_C(1) << 20) /* bytes left in a file system that is full */
#define LAST_WORDS_MS 1000             /* for a program that has broken the pipe to say why and end */

struct sm_stream {
    bool write;
    char *path, *format;
    int ours, theirs;     /* ends of the pipe; or the file, and -1 */
    struct qcow2_run run; /* of the file */
    struct fiber *fiber;  /* NULL: it is the file */
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

static void close_ours(struct sm_stream *s)
{
    if (s->ours >= 0)
        close(TAKE_FD(s->ours));
}

static void release(struct sm_stream *s)
{
    close_ours(s);
    if (s->fiber)
        fiber_unref(s->fiber);
    proc_result_free(&s->proc);
    free(s->path);
    free(s->format);
    free(s);
}

static int open_pipe(struct sm_stream *s)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    s->ours = fds[s->write ? 1 : 0];
    s->theirs = fds[s->write ? 0 : 1];
    s->fiber = fiber_ref(fiber_spawn("stream of a disk", co_move, s));
    return 0;
}

/* ---- the file itself ---- */

/* On a worker. 0; -ENOTSUP: its content is not one run. */
static int open_run(void *arg)
{
    struct sm_stream *s = arg;
    CLEANUP_FD int fd = -1;
    int r;

    if (strcmp(s->format, "qcow2") != 0)
        return -ENOTSUP;
    fd = open(s->path, (s->write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    r = fd < 0 ? -errno : qcow2_find_run(fd, &s->run);
    if (r == 0 && lseek(fd, s->run.at, SEEK_SET) < 0)
        r = -errno;
    if (r < 0)
        return r;
    s->ours = TAKE_FD(fd);
    s->done = true;
    return 0;
}

static int co_lay_out(const struct sm_stream *s, struct err *e)
{
    struct qcow2_info info;

    if (strcmp(s->format, "qcow2") != 0 || qcow2_read_info(s->path, &info) < 0 || info.backing[0])
        return 0;
    return co_image_create_contiguous(s->path, info.virtual_size, e);
}

static int sync_file(void *arg)
{
    return fdatasync(*(int *)arg) < 0 ? -errno : 0;
}

/* Whoever writes to a file meets no end of the disk. */
static int co_finish_run(struct sm_stream *s, struct err *e)
{
    int r;

    if (lseek(s->ours, 0, SEEK_CUR) > s->run.at + s->run.size)
        return sm_fail(e, SM_FAIL_NO_SPACE, "%s is too small", s->path);
    r = co_run_worker(sync_file, &s->ours, "sync %s", s->path);
    return r < 0 ? sm_fail_errno(e, r == -ENOSPC ? SM_FAIL_NO_SPACE : SM_FAIL_UNKNOWN, r, s->path) : 0;
}

static bool is_full(const struct sm_stream *s)
{
    struct statvfs v;

    return fstatvfs(s->ours, &v) == 0 && v.f_bavail * v.f_frsize < FULL_BELOW;
}

/* ---- */

int co_sm_stream_open(const struct sm_attachment *disk, enum sm_stream_way way, struct sm_stream **ret,
                      int *ret_fd, struct err *e)
{
    struct sm_stream *s;
    int r;

    if (fault_point(FAULT_STORAGE, "stream") < 0)
        return sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "%s", disk->path);
    s = mem_zalloc(sizeof *s);
    s->write = way != SM_STREAM_READ;
    s->path = mem_strdup(disk->path);
    s->format = mem_strdup(disk->format);
    s->ours = s->theirs = -1;
    if (way == SM_STREAM_REPLACE && co_lay_out(s, e) < 0) {
        release(s);
        return -1;
    }
    r = way == SM_STREAM_WRITE ? -ENOTSUP : co_run_worker(open_run, s, "a look at %s", s->path);
    if (r == -ENOTSUP)
        r = open_pipe(s);
    if (r < 0) {
        sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, r, disk->path);
        release(s);
        return -1;
    }
    *ret = s;
    *ret_fd = s->ours;
    return 0;
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

int co_sm_stream_finish(struct sm_stream *s, struct err *e)
{
    int rc;

    if (!s->fiber) {
        rc = co_finish_run(s, e);
        release(s);
        return rc < 0 ? -1 : 0;
    }
    close_ours(s);
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
    if (!s->fiber) {
        if (e && s->write && is_full(s))
            sm_fail(e, SM_FAIL_NO_SPACE, "%s", s->path);
        release(s);
        return;
    }
    fiber_mask_cancel();
    if (s->write)
        close_ours(s);
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
