#include "xapid/transfer/send_tar.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "xapid/server.h"
#include "xapid/transfer/web.h"

#define UPLOAD "upload.tar"
enum { PIECE = 64 * 1024, IDLE_MS = 5 * 60 * 1000, PACK_MS = 60 * 60 * 1000 };

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

/* ---- to a server ---- */

static void tell_progress(double done, void *arg)
{
    call_progress(arg, done);
}

/* What the archive is while it is on its way: without a name. */
static int open_nameless(const char *folder)
{
    CLEANUP_BUF struct buf path = {0};

    buf_printf(&path, "%s/" UPLOAD, folder);
    int fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : fd;
    unlink(buf_cstr(&path));
    return r;
}

static int co_pack(const char *const *argv, int fd, struct err *e)
{
    struct proc_result result = {0};
    int r = co_proc_run_piped(argv, -1, fd, &result, clock_in_ms(PACK_MS));

    if (r < 0)
        err_errno(e, r, "packing what is sent");
    else if (result.status > 1) /* 1: files grew meanwhile, as logs do */
        err_system_status_retrieval_failed(e, buf_cstr(&result.err));
    proc_result_free(&result);
    return err_is_set(e) ? -1 : 0;
}

int co_upload_tar(struct call *c, const char *const *argv, const char *url, const struct map *options,
                  struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    CLEANUP_FD int fd = open_nameless(c->x->options.state_dir);
    struct stat st;

    if (!web_is_url(c->mem, url))
        return err_invalid_value(e, "url", url);
    if (fd < 0)
        return err_errno(e, fd, "making the archive");
    if (co_pack(argv, fd, e) < 0)
        return -1;
    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(e, -errno, "reading the archive");
    if (co_web_put(c->x, c->mem, url, map_get(options, "http_proxy"), fd, st.st_size, tell_progress, c,
                   &why) == 0)
        return 0;
    if (err_is(&why, "INTERNAL_ERROR"))
        return err_system_status_retrieval_failed(e, why.params[0]);
    err_move(e, &why);
    return -1;
}
