#include "tests/bench/host.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "tests/bench/api.h"

#define MOST_ARGUMENTS 64

/* scripts/lab notes it there. */
static void pid_file(const struct target *t, char path[512])
{
    snprintf(path, 512, "%s/xapid.pid", t->state_dir);
}

static void read_file(const char *path, struct buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    must(fd >= 0, path);
    while ((n = read(fd, buf_reserve(ret, 4096), 4096)) > 0)
        ret->len += (size_t)n;
    close(fd);
}

static pid_t find(const struct target *t)
{
    CLEANUP_BUF struct buf text = {0};
    char path[512];

    pid_file(t, path);
    read_file(path, &text);
    return atoi(buf_cstr(&text));
}

/* Of the daemon that was stopped. */
static struct buf command_line;

static void keep_command_line(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    buf_reset(&command_line);
    read_file(path, &command_line);
}

void host_stop(const struct target *t)
{
    pid_t pid = find(t);

    keep_command_line(pid);
    must(kill(pid, SIGTERM) == 0, "ending the daemon");
    while (kill(pid, 0) == 0)
        usleep(1000);
}

static void execute(const struct target *t)
{
    char *argv[MOST_ARGUMENTS + 1], log[512];
    unsigned n = 0;
    int fd;

    for (char *at = command_line.data; at < command_line.data + command_line.len && n < MOST_ARGUMENTS;
         at += strlen(at) + 1)
        argv[n++] = at;
    argv[n] = NULL;
    snprintf(log, sizeof log, "%s/xapid.log", t->state_dir);
    fd = open(log, O_WRONLY | O_APPEND);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    setsid();
    execvp(argv[0], argv);
    _exit(127);
}

static void note_pid(const struct target *t, pid_t pid)
{
    char path[512];
    FILE *f;

    pid_file(t, path);
    f = fopen(path, "we");
    must(f && fprintf(f, "%d\n", pid) > 0 && fclose(f) == 0, path);
}

static bool listens(const struct target *t)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(t->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    inet_pton(AF_INET, t->address, &to.sin_addr);
    r = connect(fd, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return r == 0;
}

double host_start_ms(const struct target *t)
{
    int64_t began = clock_now();
    struct api a;
    pid_t pid;

    /* Whoever ends later than the daemon's parent would find no zombie: the lab asks whether the pid lives.
     */
    signal(SIGCHLD, SIG_IGN);
    pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0)
        execute(t);
    note_pid(t, pid);
    while (!listens(t)) {
        must(kill(pid, 0) == 0, "the daemon did not start");
        usleep(500);
    }
    api_open(&a, t);
    api_close(&a);
    return (double)(clock_now() - began) / 1e6;
}

double host_memory_kb(const struct target *t)
{
    CLEANUP_BUF struct buf text = {0};
    const char *line;
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/status", find(t));
    read_file(path, &text);
    line = strstr(buf_cstr(&text), "VmRSS:");
    if (!line)
        die("%s has no VmRSS", path);
    return strtod(line + strlen("VmRSS:"), NULL);
}
