#include "hv/qemu/process.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/mem.h"

#define STACK_SIZE 65536
#define STAT_MAX 1024

extern char **environ;

/* ---- the child, between clone and exec ---- */

struct child_args {
    const struct process_launch *launch;
    const int *sources; /* the launch's descriptors, moved above those the child gives away */
    int error;          /* set by the child: its memory is ours */
};

/* Only system calls from here on: the child runs on our memory. */
static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool write_note(int note_fd)
{
    char line[STAT_MAX];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line);

    if (fd >= 0)
        close(fd);
    return n > 0 && write(note_fd, line, (size_t)n) == n;
}

/* How the kernel's scheduler treats the processes of a session as a group; a wish, which an unprivileged
 * process may not have. */
static void set_share(const char *path, const char *nice)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t ignored;

    if (fd < 0)
        return;
    ignored = write(fd, nice, strlen(nice));
    (void)ignored;
    close(fd);
}

/* The system calls themselves: those of the library would do it to the daemon's threads, too. */
static int become(const struct process_launch *l)
{
    if (syscall(SYS_setgroups, (size_t)l->n_groups, l->groups) < 0 ||
        syscall(SYS_setresgid, l->gid, l->gid, l->gid) < 0 ||
        syscall(SYS_setresuid, l->uid, l->uid, l->uid) < 0)
        return -errno;
    return 0;
}

static int child_main(void *arg)
{
    struct child_args *a = arg;
    const struct process_launch *l = a->launch;

    errno = 0;
    setsid();
    set_share("/proc/self/autogroup", "-10");
    default_signals();
    if (fchdir(l->cwd_fd) < 0) /* before its number is given to something else */
        goto failed;
    for (unsigned i = 0; i < l->n_fds; i++)
        if (dup2(a->sources[i], (int)i) < 0)
            goto failed;
    if (close_range(l->n_fds, ~0U, 0) < 0 || !write_note((int)l->note) || (l->uid != 0 && become(l) < 0))
        goto failed;
    execve(l->program, (char *const *)(uintptr_t)l->argv, environ);
failed:
    a->error = errno ? errno : EIO;
    _exit(127);
}

/* ---- starting ---- */

/* Clone with our memory and no signal reaching the child before it has reset its handlers. */
static pid_t clone_child(struct child_args *a, int *pidfd)
{
    CLEANUP_FREE char *stack = mem_zalloc(STACK_SIZE);
    sigset_t all, before;
    int dumpable;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    dumpable = prctl(PR_GET_DUMPABLE);
    pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, a, pidfd);
    if (pid < 0)
        pid = -errno;
    prctl(PR_SET_DUMPABLE, dumpable); /* the child's change of user goes to the memory that was ours, too */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        cleanup_fd(&fds[i]);
}

/* Copies of the descriptors that lie above the numbers the child uses, so that none overwrites another. */
static int move_up(const int *fds, unsigned n, int *ret)
{
    for (unsigned i = 0; i < n; i++) {
        ret[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
        if (ret[i] < 0) {
            int r = -errno;

            close_all(ret, i);
            return r;
        }
    }
    return 0;
}

static void end_cb(struct ev_loop *loop, ev_io *w, int revents)
{
    struct process *p = w->data;
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) == 0) {
        if (info.si_pid == 0)
            return;
        p->status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    }
    ev_io_stop(loop, w);
    close(TAKE_FD(p->pidfd));
    p->ended = true;
    fiber_cond_broadcast(&p->end);
    p->on_end(p, p->arg);
}

static void watch(struct process *p, pid_t pid, int pidfd, void (*on_end)(struct process *p, void *arg),
                  void *arg)
{
    *p = (struct process){.pid = pid, .pidfd = pidfd, .status = -1, .on_end = on_end, .arg = arg};
    fiber_cond_init(&p->end);
    ev_io_init(&p->watcher, end_cb, pidfd, EV_READ);
    p->watcher.data = p;
    ev_io_start(loop_get(), &p->watcher);
}

int process_start(struct process *p, const struct process_launch *l,
                  void (*on_end)(struct process *p, void *arg), void *arg)
{
    int sources[32];
    struct child_args a = {l, sources, 0};
    int pidfd = -1;
    pid_t pid;
    int r;

    if (l->n_fds > sizeof sources / sizeof *sources)
        return -E2BIG;
    r = move_up(l->fds, l->n_fds, sources);
    if (r < 0)
        return r;
    pid = clone_child(&a, &pidfd);
    close_all(sources, l->n_fds);
    if (pid < 0)
        return pid;
    if (a.error) {
        waitpid(pid, NULL, 0);
        close(pidfd);
        return -a.error;
    }
    watch(p, pid, pidfd, on_end, arg);
    return 0;
}

/* ---- the note ---- */

int process_note_create(int dir_fd, const char *name)
{
    CLEANUP_FD int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    return TAKE_FD(fd);
}

bool process_stat_parse(const char *text, pid_t *pid, uint64_t *start_ticks)
{
    const char *at = strrchr(text, ')');
    char *end;
    long number = strtol(text, &end, 10);

    if (!at || number <= 0 || number > INT32_MAX || end[0] != ' ' || end[1] != '(')
        return false;
    /* After the name, which may hold anything, comes field 3. */
    for (int field = 2; field < 22; field++) {
        at = strchr(at + 1, ' ');
        if (!at)
            return false;
    }
    if (at[1] < '0' || at[1] > '9')
        return false;
    *pid = (pid_t)number;
    *start_ticks = strtoull(at + 1, NULL, 10);
    return true;
}

/* The text of a small file, NUL-terminated; false when it cannot be read. */
static bool read_small(int dir_fd, const char *path, char text[STAT_MAX])
{
    CLEANUP_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, STAT_MAX - 1);

    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

enum process_note_state process_note_read(int dir_fd, const char *name, pid_t *pid, uint64_t *start_ticks)
{
    CLEANUP_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    char text[STAT_MAX];

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return NOTE_DEAD;
    if (!read_small(dir_fd, name, text) || !process_stat_parse(text, pid, start_ticks))
        return NOTE_STARTING;
    return NOTE_ALIVE;
}

int process_adopt(struct process *p, pid_t pid, uint64_t start_ticks,
                  void (*on_end)(struct process *p, void *arg), void *arg)
{
    CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    char path[64], text[STAT_MAX];
    uint64_t start_now;
    pid_t pid_now;

    if (pidfd < 0)
        return -errno;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_small(AT_FDCWD, path, text) || !process_stat_parse(text, &pid_now, &start_now) ||
        start_now != start_ticks)
        return -ESRCH;
    watch(p, pid, TAKE_FD(pidfd), on_end, arg);
    return 0;
}

/* ---- watching ---- */

void process_release(struct process *p)
{
    if (p->pidfd >= 0) {
        ev_io_stop(loop_get(), &p->watcher);
        close(TAKE_FD(p->pidfd));
    }
}

void process_set_ordinary(struct process *p)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/autogroup", (int)p->pid);
    set_share(path, "0");
}

int process_kill(struct process *p, int sig)
{
    if (p->ended)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int co_process_wait(struct process *p, int64_t deadline)
{
    int r = 0;

    while (r == 0 && !p->ended)
        r = co_cond_wait(&p->end, deadline, "the end of process %d", (int)p->pid);
    return p->ended ? 0 : r;
}
