#include "tests/bench/by_hand.h"
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAP "benchhand0"

/* ---- what the process needs ---- */

/* "socket,id=qmp,fd=4,server=on,…": a listening socket for descriptor 4. */
static void note_socket(struct by_hand *b, const char *argument)
{
    char id[32];
    int wanted;

    if (sscanf(argument, "socket,id=%31[^,],fd=%d,server=on", id, &wanted) != 2 ||
        b->n_sockets == BY_HAND_SOCKETS)
        return;
    if (strcmp(id, "qmp") == 0)
        b->monitor_socket = (int)b->n_sockets;
    b->sockets[b->n_sockets].wanted = wanted;
    snprintf(b->sockets[b->n_sockets].path, sizeof b->sockets[0].path, "%s/%s", b->folder, id);
    b->n_sockets++;
}

/* {"type":"tap","id":"net0","fd":"7"}: an open tap for descriptor 7. */
static void note_tap(struct by_hand *b, const char *argument)
{
    if (strstr(argument, "\"type\":\"tap\""))
        sscanf(strstr(argument, "\"fd\":\""), "\"fd\":\"%d\"", &b->tap);
}

static int open_tap(const char *name, short more)
{
    struct ifreq r = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | more)};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    must(fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0, name);
    return fd;
}

void by_hand_set_tap(const char *name, bool there)
{
    CLEANUP_FD int fd = open_tap(name, 0);

    must(ioctl(fd, TUNSETPERSIST, (int)there) == 0, name);
}

void by_hand_init(struct by_hand *b, const struct guest_process *g, const char *folder)
{
    *b = (struct by_hand){.folder = folder, .monitor_socket = -1, .monitor = -1};
    mkdir(folder, 0700);
    for (size_t at = 0; at < g->arguments.len && b->argc < BY_HAND_ARGUMENTS;
         at += strlen(b->argv[b->argc++]) + 1) {
        b->argv[b->argc] = g->arguments.data + at;
        note_socket(b, b->argv[b->argc]);
        note_tap(b, b->argv[b->argc]);
    }
    if (b->monitor_socket < 0)
        die("the command line names no monitor");
    if (b->tap > 0)
        by_hand_set_tap(TAP, true);
}

void by_hand_fini(struct by_hand *b)
{
    if (b->tap > 0)
        by_hand_set_tap(TAP, false);
    buf_free(&b->heard);
}

/* ---- the process ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), lowest = 16;

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 4) == 0, path);
    lowest = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    close(fd);
    return lowest;
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
    if (b->tap > 0)
        dup2(fcntl(open_tap(TAP, IFF_VNET_HDR), F_DUPFD_CLOEXEC, b->tap + 1), b->tap);
    execv(b->argv[0], b->argv);
    _exit(127);
}

/* Move the process to the group of a line of /proc/<pid>/cgroup: "4:cpu:/path", "0::/path". */
static void join_group(pid_t pid, const char *line)
{
    const char *controllers = strchr(line, ':') + 1, *path = strchr(controllers, ':') + 1;
    char name[600];
    FILE *f;

    snprintf(name, sizeof name, "/sys/fs/cgroup/%.*s%.*s/cgroup.procs", (int)(path - 1 - controllers),
             controllers, (int)strcspn(path, "\n"), path);
    f = fopen(name, "we");
    if (f)
        fprintf(f, "%d\n", (int)pid);
    if (f)
        fclose(f);
}

/* The daemon's guests share the processors as a group, so on a busy machine one by hand outside of it would
 * be measured with another share. */
static void join_groups(pid_t pid, const char *uuid)
{
    struct guest_process g;
    char path[64], line[512];
    FILE *f;

    guest_find(&g, uuid);
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)g.pid);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, "/xapid/"))
            join_group(pid, line);
    if (f)
        fclose(f);
    guest_free(&g);
}

static void connect_monitor(struct by_hand *b)
{
    const char *path = b->sockets[b->monitor_socket].path;
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    b->monitor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(connect(b->monitor, (struct sockaddr *)&a, sizeof a) == 0, path);
}

void by_hand_start(struct by_hand *b, bool incoming)
{
    b->argv[b->argc] = incoming ? (char *)(uintptr_t) "-incoming" : NULL;
    b->argv[b->argc + 1] = incoming ? (char *)(uintptr_t) "defer" : NULL;
    for (unsigned i = 0; i < b->n_sockets; i++)
        b->sockets[i].fd = listen_at(b->sockets[i].path);
    b->pid = fork();
    must(b->pid >= 0, "fork");
    if (b->pid == 0)
        execute(b);
    if (b->beside)
        join_groups(b->pid, b->beside);
    connect_monitor(b);
    for (unsigned i = 0; i < b->n_sockets; i++)
        close(b->sockets[i].fd);
    buf_reset(&b->heard);
    by_hand_await(b, "\"QMP\"");
    by_hand_ask(b, "qmp_capabilities", NULL);
}

void by_hand_wait(struct by_hand *b)
{
    waitpid(b->pid, NULL, 0);
    close(b->monitor);
    b->monitor = -1;
}

void by_hand_kill(struct by_hand *b)
{
    kill(b->pid, SIGKILL);
    by_hand_wait(b);
}

/* ---- its monitor ---- */

static void hear(struct by_hand *b)
{
    ssize_t n = read(b->monitor, buf_reserve(&b->heard, 4096), 4096);

    if (n <= 0)
        die("QEMU by hand went away");
    b->heard.len += (size_t)n;
}

void by_hand_await(struct by_hand *b, const char *text)
{
    while (!strstr(buf_cstr(&b->heard), text))
        hear(b);
}

void by_hand_ask(struct by_hand *b, const char *command, const char *arguments)
{
    CLEANUP_BUF struct buf line = {0};

    buf_printf(&line, "{\"execute\":\"%s\"%s%s}\n", command, arguments ? ",\"arguments\":" : "",
               arguments ? arguments : "");
    buf_reset(&b->heard);
    must(write(b->monitor, line.data, line.len) == (ssize_t)line.len, command);
    while (!strstr(buf_cstr(&b->heard), "\"return\"")) {
        if (strstr(b->heard.data, "\"error\""))
            die("QEMU by hand refuses %s: %s", command, b->heard.data);
        hear(b);
    }
}

void by_hand_pass(struct by_hand *b, int fd)
{
    char space[CMSG_SPACE(sizeof fd)] = {0}, blank = ' ';
    struct iovec piece = {&blank, 1};
    struct msghdr m = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    must(sendmsg(b->monitor, &m, 0) == 1, "passing a descriptor");
    by_hand_ask(b, "getfd", "{\"fdname\":\"state\"}");
}
