#include "xapid/handover.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/close_range.h>
#include "lib/buf.h"
#include "xapid/systemd.h"

enum { FIRST = 3, MOST = 16, CLEAR = 64 /* a number above all that are passed on */ };

/* Set by a process that becomes the next, to its pid. */
#define CONTINUED "XAPID_CONTINUED"

static struct {
    unsigned n;
    struct {
        int fd; /* -1: taken */
        char name[64];
    } items[MOST];
    bool continued;
    char program[PATH_MAX];
} received;

/* ---- receiving ---- */

static bool is_mine(const char *variable)
{
    const char *pid = getenv(variable);
    return pid && strtol(pid, NULL, 10) == (long)getpid();
}

/* The names stand in order, with colons between them; some or all may be missing. */
static void receive_descriptors(unsigned n, const char *names)
{
    for (unsigned i = 0; i < n && i < MOST; i++) {
        size_t length = strcspn(names, ":");
        received.items[i].fd = FIRST + (int)i;
        snprintf(received.items[i].name, sizeof received.items[i].name, "%.*s", (int)length, names);
        names += length + (names[length] == ':');
        fcntl(FIRST + (int)i, F_SETFD, FD_CLOEXEC);
    }
    received.n = n < MOST ? n : MOST;
}

/* Children of the process that this one was, which nobody waits for any more. Guests are among those that may
 * still run; they are found again by their notes. */
static void reap_strangers(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

void handover_receive(void)
{
    const char *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    if (readlink("/proc/self/exe", received.program, sizeof received.program - 1) < 0)
        received.program[0] = '\0';
    if (count && is_mine("LISTEN_PID"))
        receive_descriptors((unsigned)strtoul(count, NULL, 10), names ? names : "");
    received.continued = is_mine(CONTINUED);
    if (received.continued)
        reap_strangers();
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    unsetenv(CONTINUED);
}

bool handover_is_continued(void)
{
    return received.continued;
}

int handover_take(bool (*fits)(int fd, const char *name, const void *arg), const void *arg)
{
    for (unsigned i = 0; i < received.n; i++) {
        int fd = received.items[i].fd;
        if (fd < 0 || !fits(fd, received.items[i].name, arg))
            continue;
        received.items[i].fd = -1;
        return fd;
    }
    return -1;
}

static bool has_name(int fd, const char *name, const void *wanted)
{
    return strcmp(name, wanted) == 0;
}

int handover_take_named(const char *name)
{
    return handover_take(has_name, name);
}

void handover_close_rest(void)
{
    for (unsigned i = 0; i < received.n; i++)
        cleanup_fd(&received.items[i].fd);
    received.n = 0;
}

/* ---- giving ---- */

void handover_store(const char *name, int fd)
{
    systemd_notify("FDSTOREREMOVE=1\nFDNAME=%s", name);
    if (fd >= 0)
        systemd_notify_fd(fd, "FDSTORE=1\nFDNAME=%s", name);
}

/* To the numbers from FIRST on, without close-on-exec; everything else gets it. */
static int arrange(const struct handover_item *items, unsigned n, unsigned *ret_n, struct buf *names)
{
    int moved[MOST];
    unsigned k = 0;
    for (unsigned i = 0; i < n && k < MOST; i++) {
        if (items[i].fd < 0)
            continue;
        moved[k] = fcntl(items[i].fd, F_DUPFD_CLOEXEC, CLEAR);
        if (moved[k++] < 0)
            return -errno;
        buf_printf(names, "%s%s", names->len > 0 ? ":" : "", items[i].name);
    }
    if (close_range(FIRST, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return -errno;
    for (unsigned i = 0; i < k; i++)
        if (dup2(moved[i], FIRST + (int)i) < 0)
            return -errno;
    *ret_n = k;
    return 0;
}

static void set_number(const char *variable, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    setenv(variable, text, 1);
}

/* Signals that would kill the next one before it looks after them stay ignored until then. */
static void ignore_early_signals(void)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

int handover_exec(char **argv, const struct handover_item *items, unsigned n)
{
    CLEANUP_BUF struct buf names = {0};
    unsigned passed = 0;
    int r = arrange(items, n, &passed, &names);
    if (r < 0)
        return r;
    set_number("LISTEN_PID", (long)getpid());
    set_number("LISTEN_FDS", (long)passed);
    setenv("LISTEN_FDNAMES", buf_cstr(&names), 1);
    set_number(CONTINUED, (long)getpid());
    ignore_early_signals();
    execv(received.program, argv);
    return -errno;
}
