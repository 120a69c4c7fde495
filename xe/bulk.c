#include "xe/bulk.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/mem.h"
#include "xe/bar.h"
#include "xe/failure.h"
#include "xe/task.h"

enum { PIECE = 256 * 1024 };

/* ---- the request ---- */

char *bulk_target(struct xe *x, const char *target, const char *key, const char *value)
{
    char *out;

    if (!value)
        return talloc_strdup(x->ctx, target);
    out = talloc_asprintf(x->ctx, "%s%c%s=", target, strchr(target, '?') ? '&' : '?', key);
    for (; *value; value++)
        out = talloc_asprintf_append(
            out, isalnum((unsigned char)*value) || strchr("-_.:", *value) ? "%c" : "%%%02X",
            (unsigned char)*value);
    return out;
}

static bool shows_progress(struct xe *x)
{
    bool wanted = isatty(STDERR_FILENO);
    CLEANUP_ERR struct err ignored = {0};

    (void)args_get_bool(x->args, "progress", wanted, &wanted, &ignored);
    return wanted;
}

/* Why the server did not do it: the task knows, unless the request did not get as far as that. */
static int co_refused(struct xe *x, const char *task, unsigned status, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *state = co_field(x, "task", "status", task, &ignored);

    if (state && strcmp(state, "pending") != 0) {
        (void)co_task_wait_quietly(x, task, e);
    } else {
        (void)co_call_void(x, &ignored, "task.set_status", "ss", task, "failure");
        (void)co_call_void(x, &ignored, "task.destroy", "s", task);
    }
    return err_is_set(e) ? -1 : fail_text(e, "The server refused the transfer (HTTP status %u)", status);
}

/* Make a task and begin the exchange under it. */
static int co_begin(struct xe *x, const char *method, const char *target, const char *headers,
                    const char **ret_task, struct client_stream **ret, struct err *e)
{
    const char *task = co_call_text(x, e, "task.create", "ss", "xe transfer", ""), *whole;
    unsigned status = 0;

    if (!task)
        return -1;
    whole = bulk_target(x, target, "session_id", x->session);
    whole = bulk_target(x, whole, "task_id", task);
    *ret_task = task;
    if (co_client_stream_open(x->rpc, method, whole, headers, ret, &status, e) < 0)
        return -1;
    if (status == 200)
        return 0;
    client_stream_close(TAKE_PTR(*ret));
    return co_refused(x, task, status, e);
}

/* ---- to a file ---- */

/* The file being written, for a signal to remove. */
static char partial[4096];

static void on_signal(int number)
{
    unlink(partial);
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_signals(const char *name)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    snprintf(partial, sizeof(partial), "%s", name);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], *name ? on_signal : SIG_DFL);
}

/* Copy the stream to its end. What cuts it shows on the task. */
static int co_save(struct xe *x, struct client_stream *s, int fd, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    struct bar bar;
    int64_t done = 0;
    ssize_t n;
    int r = 0;

    bar_begin(&bar, shows_progress(x), client_stream_length(s));
    while (r == 0 && (n = co_client_stream_read(s, bytes, PIECE, CLOCK_NEVER)) > 0) {
        r = fd_write_all(fd, bytes, (size_t)n);
        bar_move(&bar, done += n);
    }
    bar_end(&bar);
    return r < 0 ? fail_text(e, "The file cannot be written: %s", strerror(-r)) : 0;
}

static int co_download_to(struct xe *x, const char *target, int fd, struct err *e)
{
    struct client_stream *s = NULL;
    CLEANUP_ERR struct err cut = {0};
    const char *task;

    if (co_begin(x, "GET", target, NULL, &task, &s, e) < 0)
        return -1;
    int rc = co_save(x, s, fd, e);
    client_stream_close(s);
    (void)co_task_wait_quietly(x, task, rc < 0 ? &cut : e);
    return err_is_set(e) ? -1 : 0;
}

int co_download(struct xe *x, const char *target, const char *name, struct err *e)
{
    if (!*name)
        return co_download_to(x, target, STDOUT_FILENO, e);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_text(e, "The file '%s' cannot be made: %s", name, strerror(errno));
    watch_signals(name);
    int rc = co_download_to(x, target, fd, e);
    if (close(fd) < 0 && rc == 0)
        rc = fail_text(e, "The file '%s' cannot be written: %s", name, strerror(errno));
    if (rc < 0)
        unlink(name);
    watch_signals("");
    return rc;
}

/* ---- from a file ---- */

/* Send the file to its end, or until the server takes no more, which shows on the task. */
static int co_load(struct xe *x, struct client_stream *s, int fd, int64_t size, struct err *e)
{
    CLEANUP_FREE char *bytes = mem_zalloc(PIECE);
    struct bar bar;
    int64_t done = 0;
    ssize_t n;

    bar_begin(&bar, shows_progress(x), size);
    while ((n = read(fd, bytes, PIECE)) > 0 && co_client_stream_write(s, bytes, (size_t)n, CLOCK_NEVER) == 0)
        bar_move(&bar, done += n);
    bar_end(&bar);
    return n < 0 ? fail_text(e, "The file cannot be read: %s", strerror(errno)) : 0;
}

const char *co_upload(struct xe *x, const char *target, const char *name, struct err *e)
{
    CLEANUP_FD int fd = open(name, O_RDONLY | O_CLOEXEC);
    CLEANUP_ERR struct err cut = {0};
    struct client_stream *s = NULL;
    const char *task, *headers = NULL, *result;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        fail_text(e, "The file '%s' cannot be read: %s", name, strerror(errno));
        return NULL;
    }
    int64_t size = S_ISREG(st.st_mode) ? st.st_size : -1;
    if (size >= 0)
        headers = talloc_asprintf(x->ctx, "content-length: %lld\r\n", (long long)size);
    if (co_begin(x, "PUT", target, headers, &task, &s, e) < 0)
        return NULL;
    int rc = co_load(x, s, fd, size, e);
    client_stream_close(s);
    result = co_task_wait_quietly(x, task, rc < 0 ? &cut : e);
    return rc < 0 ? NULL : result;
}
