#include "tests/bench/guest.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/clock.h"

#define MOST_ARGUMENTS 256
#define MOST_SOCKETS 8

/* ---- finding it ---- */

static void read_arguments(struct guest_process *g, const char *pid)
{
    char path[300], piece[2048];
    size_t n;
    FILE *f;

    buf_reset(&g->arguments);
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    f = fopen(path, "re");
    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_add(&g->arguments, piece, n);
    if (f)
        fclose(f);
}

/* "-uuid" and the uuid, as arguments of their own. */
static bool is_guest(const struct guest_process *g, const char *uuid)
{
    char wanted[64];
    int n = snprintf(wanted, sizeof wanted, "-uuid%c%s", '\0', uuid);

    return memmem(g->arguments.data, g->arguments.len, wanted, (size_t)n + 1) != NULL;
}

void guest_find(struct guest_process *g, const char *uuid)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;

    *g = (struct guest_process){0};
    must(d != NULL, "/proc");
    while (!g->pid && (entry = readdir(d))) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        read_arguments(g, entry->d_name);
        if (is_guest(g, uuid))
            g->pid = atoi(entry->d_name);
    }
    closedir(d);
    if (!g->pid)
        die("no QEMU runs for %s", uuid);
}

void guest_free(struct guest_process *g)
{
    buf_free(&g->arguments);
}

/* ---- by hand ---- */

/* What one start by hand needs beside the program. */
struct by_hand {
    char *argv[MOST_ARGUMENTS + 1];
    const char *folder;
    struct {
        int wanted, fd; /* the number that the command line names, and ours */
    } sockets[MOST_SOCKETS];
    unsigned n_sockets;
    char monitor[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char tap[IFNAMSIZ]; /* "" without */
};

static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 4) == 0, path);
    return fd;
}

/* "socket,id=qmp,fd=4,server=on,…": a listening socket for descriptor 4. */
static void add_socket(struct by_hand *b, const char *argument)
{
    char id[32], path[sizeof b->monitor];
    int wanted, lowest = 16;

    if (sscanf(argument, "socket,id=%31[^,],fd=%d,server=on", id, &wanted) != 2 ||
        b->n_sockets == MOST_SOCKETS)
        return;
    snprintf(path, sizeof path, "%s/%s", b->folder, id);
    if (strcmp(id, "qmp") == 0)
        memcpy(b->monitor, path, sizeof path);
    b->sockets[b->n_sockets].wanted = wanted;
    b->sockets[b->n_sockets].fd = fcntl(listen_at(path), F_DUPFD_CLOEXEC, lowest);
    b->n_sockets++;
}

static void note_tap(struct by_hand *b, const char *argument)
{
    const char *at = strstr(argument, "\"ifname\":\"");

    if (at)
        sscanf(at + strlen("\"ifname\":\""), "%15[^\"]", b->tap);
}

/* Make the tap that the command line names, or take it away. */
static void set_tap(const char *name, int there)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    CLEANUP_FD int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    must(fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0 && ioctl(fd, TUNSETPERSIST, there) == 0, name);
}

static void prepare(struct by_hand *b, const struct guest_process *g, const char *folder)
{
    unsigned n = 0;

    *b = (struct by_hand){.folder = folder};
    mkdir(folder, 0700);
    for (size_t at = 0; at < g->arguments.len && n < MOST_ARGUMENTS; at += strlen(b->argv[n++]) + 1) {
        b->argv[n] = g->arguments.data + at;
        add_socket(b, b->argv[n]);
        note_tap(b, b->argv[n]);
    }
    if (!b->monitor[0])
        die("the command line names no monitor");
    if (b->tap[0])
        set_tap(b->tap, 1);
}

/* The child. */
static _Noreturn void execute(const struct by_hand *b)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || chdir(b->folder) < 0)
        _exit(127);
    dup2(null, 0);
    dup2(null, 1);
    for (unsigned i = 0; i < b->n_sockets; i++)
        dup2(b->sockets[i].fd, b->sockets[i].wanted);
    execv(b->argv[0], b->argv);
    _exit(127);
}

static void await_text(int fd, const char *text)
{
    char reply[2048];
    size_t n = 0;

    do {
        ssize_t got = read(fd, reply + n, sizeof reply - 1 - n);
        if (got <= 0)
            die("QEMU by hand went away");
        n += (size_t)got;
        reply[n] = '\0';
    } while (!strstr(reply, text));
}

static void await_first_answer(const struct by_hand *b)
{
    static const char command[] = "{\"execute\":\"qmp_capabilities\"}\n";
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, b->monitor, sizeof a.sun_path);
    must(connect(fd, (struct sockaddr *)&a, sizeof a) == 0, b->monitor);
    for (unsigned i = 0; i < b->n_sockets; i++)
        close(b->sockets[i].fd);
    await_text(fd, "\"QMP\"");
    must(write(fd, command, sizeof command - 1) == sizeof command - 1, "QMP");
    await_text(fd, "\"return\"");
}

double guest_start_by_hand_ms(const struct guest_process *g, const char *folder)
{
    struct by_hand b;
    int64_t began;
    double ms;
    pid_t pid;

    prepare(&b, g, folder);
    began = clock_now();
    pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0)
        execute(&b);
    await_first_answer(&b);
    ms = (double)(clock_now() - began) / 1e6;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (b.tap[0])
        set_tap(b.tap, 0);
    return ms;
}
