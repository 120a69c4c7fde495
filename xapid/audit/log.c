#include "xapid/audit/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { SYNC_AFTER_MS = 1000, NAME_SIZE = 32 };

struct audit_log {
    int dir, fd;
    size_t size, bound;
    unsigned files;
    struct fiber *syncing; /* waits to do it; NULL: all is on its way to disk */
    bool failing, renamed;
};

/* The file of this age; 0: the one written to. */
static void file_name(unsigned age, char name[NAME_SIZE])
{
    if (age == 0)
        snprintf(name, NAME_SIZE, "audit.log");
    else
        snprintf(name, NAME_SIZE, "audit.log.%u", age);
}

/* A line that a power failure cut ends here. */
static void end_last_line(struct audit_log *a)
{
    char last = '\n';
    if (a->size > 0 && pread(a->fd, &last, 1, (off_t)a->size - 1) == 1 && last != '\n' &&
        write(a->fd, "\n", 1) == 1)
        a->size++;
}

static int open_current(struct audit_log *a)
{
    char name[NAME_SIZE];
    struct stat st;
    file_name(0, name);
    int fd = openat(a->dir, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int failure = -errno;
        if (fd >= 0)
            close(fd);
        return failure;
    }
    a->fd = fd;
    a->size = (size_t)st.st_size;
    end_last_line(a);
    return 0;
}

int audit_log_open(const char *dir, size_t bytes_per_file, unsigned files, struct audit_log **ret,
                   struct err *e)
{
    struct audit_log *a = mem_zalloc(sizeof *a);
    a->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    a->bound = bytes_per_file;
    a->files = files < AUDIT_FILES_MAX ? files : AUDIT_FILES_MAX;
    int r = a->dir < 0 ? -errno : open_current(a);
    if (r == 0) {
        fsync(a->dir);
        *ret = a;
        return 0;
    }
    if (a->dir >= 0)
        close(a->dir);
    free(a);
    return err_errno(e, r, "opening the audit log in %s", dir);
}

/* ---- reaching the disk ---- */

static int sync_job(void *arg)
{
    int fd = *(int *)arg;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static void co_sync_and_close(void *arg)
{
    int fd = (int)(intptr_t)arg;
    if (co_run_worker(sync_job, &fd, "the audit log to reach the disk") < 0)
        log_warning("the audit log cannot be written to disk");
    close(fd);
}

static void co_sync_copy(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0)
        co_sync_and_close((void *)(intptr_t)copy);
}

/* What is written within a second goes to disk together. From the first wait on the log may be closed. */
static void co_sync_later(void *arg)
{
    struct audit_log *a = arg;
    if (co_sleep_until(clock_in_ms(SYNC_AFTER_MS), "more lines of the audit log") == -ECANCELED)
        return;
    int dir = a->renamed ? fcntl(a->dir, F_DUPFD_CLOEXEC, 0) : -1;
    fiber_unref(a->syncing);
    a->syncing = NULL;
    a->renamed = false;
    co_sync_copy(a->fd);
    if (dir >= 0)
        co_sync_and_close((void *)(intptr_t)dir);
}

static void sync_later(struct audit_log *a)
{
    if (!a->syncing)
        a->syncing = fiber_ref(fiber_spawn("audit log", co_sync_later, a));
}

/* ---- rotation ---- */

static void age_files(struct audit_log *a)
{
    char from[NAME_SIZE], to[NAME_SIZE];
    for (unsigned age = a->files - 1; age > 0; age--) {
        file_name(age - 1, from);
        file_name(age, to);
        if (renameat(a->dir, from, a->dir, to) < 0 && errno != ENOENT)
            log_warning("renaming %s: %m", from);
    }
    if (a->files == 1) {
        file_name(0, from);
        unlinkat(a->dir, from, 0);
    }
    a->renamed = true;
}

/* Should no new file come, the old one goes on. */
static void rotate(struct audit_log *a)
{
    int old = a->fd;
    age_files(a);
    if (open_current(a) == 0)
        fiber_spawn("audit log", co_sync_and_close, (void *)(intptr_t)old);
}

/* ---- writing and reading ---- */

static void tell_failure(struct audit_log *a, int failure)
{
    if (failure != 0 && !a->failing)
        log_error("the audit log cannot be written: %s", strerror(failure));
    a->failing = failure != 0;
}

void audit_log_append(struct audit_log *a, const char *line, size_t n)
{
    if (a->size > 0 && a->size + n > a->bound)
        rotate(a);
    ssize_t r = write(a->fd, line, n);
    if (r == (ssize_t)n) {
        a->size += n;
        tell_failure(a, 0);
        sync_later(a);
        return;
    }
    tell_failure(a, r < 0 ? errno : ENOSPC);
    if (r > 0 && ftruncate(a->fd, (off_t)a->size) < 0)
        a->size += (size_t)r;
}

unsigned audit_log_open_files(struct audit_log *a, int ret_fds[AUDIT_FILES_MAX])
{
    char name[NAME_SIZE];
    unsigned n = 0;
    for (unsigned age = a->files; age-- > 0;) {
        file_name(age, name);
        int fd = openat(a->dir, name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            ret_fds[n++] = fd;
    }
    return n;
}

void audit_log_free(struct audit_log *a)
{
    if (!a)
        return;
    if (a->syncing) {
        fiber_cancel(a->syncing);
        fiber_unref(a->syncing);
    }
    fdatasync(a->fd);
    close(a->fd);
    close(a->dir);
    free(a);
}
