#include "lib/proc.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/mem.h"

#define OUT_MAX (16 * 1024 * 1024)
#define ERR_MAX (64 * 1024)
#define READ_SIZE 65536
#define END_MS (60 * 1000)
#define SBIN_PATH "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"

extern char **environ;

/* ---- starting ---- */

/* Put folder/name into path (PATH_MAX bytes) when it is a program. */
static bool program_in(const char *folder, size_t n, const char *name, char *path)
{
    int len = snprintf(path, PATH_MAX, "%.*s/%s", (int)n, folder, name);

    return n > 0 && len < PATH_MAX && access(path, X_OK) == 0;
}

static bool program_find_in(const char *folders, const char *name, char *path)
{
    while (*folders != '\0') {
        size_t n = strcspn(folders, ":");

        if (program_in(folders, n, name, path))
            return true;
        folders += n + (folders[n] == ':');
    }
    return false;
}

/* Find a program as a shell would, the sbin folders included. */
static int program_find(const char *name, char *path)
{
    const char *folders = getenv("PATH");

    if (strchr(name, '/')) {
        if (strlen(name) >= PATH_MAX)
            return -ENAMETOOLONG;
        strcpy(path, name);
        return 0;
    }
    if ((folders && program_find_in(folders, name, path)) || program_find_in(SBIN_PATH, name, path))
        return 0;
    return -ENOENT;
}

/* Messages come in English, since some of them are parsed; and what a service manager said to us is not said
 * to programs: systemctl, for one, would answer in our name. */
static bool is_passed_on(const char *variable)
{
    static const char *const kept_back[] = {"LC_", "LANG", "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_"};

    for (size_t i = 0; i < sizeof kept_back / sizeof *kept_back; i++)
        if (strncmp(variable, kept_back[i], strlen(kept_back[i])) == 0)
            return false;
    return true;
}

/* Free the array, not the strings. */
static char **child_environment(void)
{
    size_t n = 0, kept = 0;
    char **env;

    while (environ[n])
        n++;
    env = mem_zalloc((n + 2) * sizeof *env);
    for (size_t i = 0; i < n; i++)
        if (is_passed_on(environ[i]))
            env[kept++] = environ[i];
    env[kept] = (char *)"LC_ALL=C.UTF-8";
    return env;
}

/* Own process group, default signals, none blocked. */
static int attributes_init(posix_spawnattr_t *attr)
{
    sigset_t set;
    int r = posix_spawnattr_init(attr);

    if (r != 0)
        return -r;
    sigemptyset(&set);
    posix_spawnattr_setsigmask(attr, &set);
    sigfillset(&set);
    sigdelset(&set, SIGKILL);
    sigdelset(&set, SIGSTOP);
    posix_spawnattr_setsigdefault(attr, &set);
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return 0;
}

/* fds[i] becomes the child's descriptor i (0 may be -1: /dev/null); it gets no others. */
static int actions_init(posix_spawn_file_actions_t *actions, const int *fds, unsigned n)
{
    int r = posix_spawn_file_actions_init(actions);

    if (r != 0)
        return -r;
    if (fds[0] < 0)
        r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    for (unsigned i = fds[0] < 0; i < n && r == 0; i++)
        r = posix_spawn_file_actions_adddup2(actions, fds[i], (int)i);
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(actions, (int)n);
    if (r != 0)
        posix_spawn_file_actions_destroy(actions);
    return -r;
}

/* Start argv with these n >= 3 as its descriptors. Returns the pid or -errno. */
static pid_t start(const char *const *argv, const int *fds, unsigned n)
{
    CLEANUP_FREE char *path = mem_zalloc(PATH_MAX);
    CLEANUP_FREE char **env = NULL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    pid_t pid;
    int r;

    if (!argv[0])
        return -EINVAL;
    r = program_find(argv[0], path);
    if (r < 0)
        return r;
    r = actions_init(&actions, fds, n);
    if (r < 0)
        return r;
    r = attributes_init(&attr);
    if (r == 0) {
        env = child_environment();
        r = -posix_spawn(&pid, path, &actions, &attr, (char *const *)argv, env);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r < 0 ? r : pid;
}

/* A descriptor above the standard ones, so that giving the child its 0 to 2 overwrites none of them. */
static int above_standard(int fd)
{
    int r = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return r < 0 ? -errno : r;
}

pid_t proc_spawn(const char *const *argv, int log_fd)
{
    CLEANUP_FD int null = -1, fd = -1;

    if (log_fd < 0) {
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (null < 0)
            return -errno;
        log_fd = null;
    }
    fd = above_standard(log_fd);
    return fd < 0 ? fd : start(argv, (int[]){-1, fd, fd}, 3);
}

/* Only for a child that has not been reaped, or the number may be somebody else's by now. */
static void co_kill_and_reap(pid_t pid)
{
    kill(-pid, SIGKILL);
    fiber_mask_cancel();
    co_wait_child(pid, NULL, CLOCK_NEVER, "the end of killed process %d", (int)pid);
    fiber_unmask_cancel();
}

pid_t proc_spawn_fds(const char *const *argv, const int *fds, unsigned n)
{
    int own[PROC_FDS_MAX] = {-1, -1, -1, -1};
    pid_t r = n >= 3 && n <= PROC_FDS_MAX ? 0 : -EINVAL;

    for (unsigned i = 0; i < n && r == 0; i++)
        if (fds[i] >= 0 && (own[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PROC_FDS_MAX)) < 0)
            r = -errno;
    if (r == 0)
        r = start(argv, own, n);
    for (unsigned i = 0; i < PROC_FDS_MAX; i++)
        if (own[i] >= 0)
            close(own[i]);
    return r;
}

void co_proc_end(pid_t pid, int signal)
{
    fiber_mask_cancel();
    if (signal)
        kill(-pid, signal);
    if (co_wait_child(pid, NULL, clock_in_ms(END_MS), "the end of process %d", (int)pid) == -ETIMEDOUT)
        co_kill_and_reap(pid);
    fiber_unmask_cancel();
}

/* ---- running to the end ---- */

/* One of the child's streams on its way into a buffer. */
struct capture {
    ev_io watcher;
    struct buf *into;
    size_t max;
    pid_t pid; /* 0: drop what is too much; else: kill this group for it */
    bool overflown;
};

static void capture_add(struct capture *c, const char *bytes, size_t n)
{
    size_t room = c->max - c->into->len;

    if (n > room) {
        n = room;
        if (c->pid > 0 && !c->overflown)
            kill(-c->pid, SIGKILL);
        c->overflown = true;
    }
    buf_add(c->into, bytes, n);
}

/* Take one piece of what the pipe holds; false at its end or when it is empty. */
static bool capture_read(struct capture *c)
{
    static char piece[READ_SIZE]; /* the loop's thread only, and nothing here yields */
    ssize_t n = read(c->watcher.fd, piece, sizeof piece);

    if (n > 0)
        capture_add(c, piece, (size_t)n);
    return n > 0 || (n < 0 && errno == EINTR);
}

static void capture_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    errno = 0;
    if (!capture_read(w->data) && errno != EAGAIN)
        ev_io_stop(loop, w);
}

static void capture_start(struct capture *c, int fd, struct buf *into, size_t max, pid_t pid)
{
    *c = (struct capture){.into = into, .max = max, .pid = pid};
    ev_io_init(&c->watcher, capture_cb, fd, EV_READ);
    c->watcher.data = c;
    ev_io_start(loop_get(), &c->watcher);
}

/* The child has ended: what it left in the pipe is all there is, whoever else may still hold the other end.
 */
static void capture_finish(struct capture *c)
{
    ev_io_stop(loop_get(), &c->watcher);
    c->pid = 0;
    while (!c->overflown && capture_read(c))
        ;
}

static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Collect the output of the child until it ends; out_fd -1: it goes elsewhere. */
static int co_follow(pid_t pid, const char *name, int out_fd, int err_fd, struct proc_result *r,
                     int64_t deadline)
{
    struct capture out = {.overflown = false}, err;
    int status, e;

    if (out_fd >= 0)
        capture_start(&out, out_fd, &r->out, OUT_MAX, pid);
    capture_start(&err, err_fd, &r->err, ERR_MAX, 0);
    e = co_wait_child(pid, &status, deadline, "%s (process %d)", name, (int)pid);
    if (e < 0 && e != -ECHILD)
        co_kill_and_reap(pid);
    if (out_fd >= 0)
        capture_finish(&out);
    capture_finish(&err);
    if (e < 0)
        return e;
    r->status = exit_code(status);
    return out.overflown ? -EFBIG : 0;
}

/* A pipe whose reading end does not block. */
static int pipe_open(int *ret_read, int *ret_write)
{
    int fds[2];
    CLEANUP_FD int r = -1, w = -1;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    r = fds[0];
    w = fds[1];
    if (fcntl(r, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    *ret_write = above_standard(w);
    if (*ret_write < 0)
        return *ret_write;
    *ret_read = TAKE_FD(r);
    return 0;
}

static int co_run_input(const char *const *argv, int in_fd, struct proc_result *r, int64_t deadline)
{
    CLEANUP_FD int in = -1, out = -1, out_child = -1, err = -1, err_child = -1;
    pid_t pid;
    int e;

    e = pipe_open(&out, &out_child);
    if (e == 0)
        e = pipe_open(&err, &err_child);
    if (e == 0 && in_fd >= 0)
        e = in = above_standard(in_fd);
    if (e < 0)
        return e;
    pid = start(argv, (int[]){in, out_child, err_child}, 3);
    if (pid < 0)
        return pid;
    close(TAKE_FD(out_child));
    close(TAKE_FD(err_child));
    return co_follow(pid, argv[0], out, err, r, deadline);
}

int co_proc_run(const char *const *argv, struct proc_result *r, int64_t deadline)
{
    return co_proc_run_text(argv, NULL, r, deadline);
}

static int text_open(const char *text)
{
    CLEANUP_FD int fd = memfd_create("input", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = -errno;
    return r < 0 ? r : TAKE_FD(fd);
}

int co_proc_run_text(const char *const *argv, const char *text, struct proc_result *r, int64_t deadline)
{
    CLEANUP_FD int in = text ? text_open(text) : -1;

    *r = (struct proc_result){0};
    return text && in < 0 ? in : co_run_input(argv, in, r, deadline);
}

int co_proc_run_piped(const char *const *argv, int in_fd, int out_fd, struct proc_result *r, int64_t deadline)
{
    CLEANUP_FD int err = -1, err_child = -1;
    pid_t pid;
    int e;

    *r = (struct proc_result){0};
    e = pipe_open(&err, &err_child);
    if (e < 0)
        return e;
    pid = proc_spawn_fds(argv, (int[]){in_fd, out_fd, err_child}, 3);
    if (pid < 0)
        return pid;
    close(TAKE_FD(err_child));
    return co_follow(pid, argv[0], -1, err, r, deadline);
}

void proc_result_free(struct proc_result *r)
{
    buf_free(&r->out);
    buf_free(&r->err);
}
