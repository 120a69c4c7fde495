/*
 * How long a start takes beyond QEMU's own, and how soon the death of a QEMU is known:
 *     bench_start [rounds]
 * In each round, by turns: co_start until it answers "running", and the same command line by fork and exec
 * until QEMU's first answer on QMP (to qmp_capabilities). Then kill -9 until the report. Prints medians and
 * the ratio.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <talloc.h>
#include "hv/qemu/cmdline.h"
#include "hv/qemu/probe.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "tests/hv/demo.h"

#define ROUNDS_MAX 1001

static unsigned rounds = 21;
static double start_ms[ROUNDS_MAX], raw_ms[ROUNDS_MAX], death_ms[ROUNDS_MAX];

static double ms_since(int64_t begin)
{
    return (double)(clock_now() - begin) / 1e6;
}

/* ---- the floor ---- */

static void child_exec(const char **argv, const int fds[QEMU_FD_COUNT])
{
    for (int i = 0; i < QEMU_FD_COUNT; i++)
        dup2(fds[i], i);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void read_line(int fd)
{
    char c = 0;

    while (c != '\n')
        if (read(fd, &c, 1) != 1)
            abort();
}

struct raw {
    int dir_fd, qmp, fds[QEMU_FD_COUNT];
};

static int above_32(int fd)
{
    int r = fcntl(fd, F_DUPFD_CLOEXEC, 32);

    close(fd);
    return r;
}

static void raw_open(struct raw *raw, const char *dir)
{
    raw->dir_fd = above_32(open(dir, O_RDONLY | O_DIRECTORY));
    for (int i = 0; i < QEMU_FD_QMP; i++)
        raw->fds[i] = above_32(open("/dev/null", O_RDWR));
    raw->fds[QEMU_FD_QMP] = above_32(vm_dir_listen(raw->dir_fd, VM_DIR_QMP));
    raw->fds[QEMU_FD_AGENT] = above_32(vm_dir_listen(raw->dir_fd, VM_DIR_AGENT));
    raw->fds[QEMU_FD_SERIAL] = above_32(vm_dir_listen(raw->dir_fd, VM_DIR_SERIAL));
    raw->qmp = vm_dir_connect(raw->dir_fd, VM_DIR_QMP);
    fcntl(raw->qmp, F_SETFL, 0);
}

static void raw_close(struct raw *raw)
{
    unlinkat(raw->dir_fd, VM_DIR_QMP, 0);
    unlinkat(raw->dir_fd, VM_DIR_AGENT, 0);
    unlinkat(raw->dir_fd, VM_DIR_SERIAL, 0);
    for (int i = 0; i < QEMU_FD_COUNT; i++)
        close(raw->fds[i]);
    close(raw->qmp);
    close(raw->dir_fd);
}

/* Blocking on purpose: the least that anybody could do. */
static double raw_start(const char **argv, const char *dir)
{
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
    struct raw raw;
    int64_t begin;
    double took;
    pid_t pid;

    raw_open(&raw, dir);
    begin = clock_now();
    pid = fork();
    if (pid == 0) {
        if (fchdir(raw.dir_fd) < 0)
            _exit(127);
        child_exec(argv, raw.fds);
    }
    read_line(raw.qmp);
    if (write(raw.qmp, hello, sizeof hello - 1) < 0)
        abort();
    read_line(raw.qmp);
    took = ms_since(begin);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    raw_close(&raw);
    return took;
}

/* ---- the driver ---- */

static void must(int r, struct err *e)
{
    if (r == 0)
        return;
    fprintf(stderr, "%s\n", err_text(NULL, e));
    exit(1);
}

static double co_driver_start(struct fixture *f, const struct hv_vm_spec *spec, double *death)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;
    int64_t begin = clock_now();
    double took;

    must(f->hv->driver->co_start(f->hv, spec, &facts, &e), &e);
    took = ms_since(begin);
    fixture_forget(f);
    begin = clock_now();
    kill(fixture_pid(f, spec->uuid), SIGKILL);
    co_fixture_report(f, HV_REPORT_STOPPED, spec->uuid);
    *death = ms_since(begin);
    return took;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double print_stats(const char *what, double *ms)
{
    qsort(ms, rounds, sizeof *ms, compare);
    printf("%-34s median %7.2f ms  [%.2f - %.2f]  n %u\n", what, ms[rounds / 2], ms[0], ms[rounds - 1],
           rounds);
    return ms[rounds / 2];
}

static void print_all(void)
{
    double start = print_stats("co_start until running", start_ms);
    double raw = print_stats("same QEMU, exec to first answer", raw_ms);

    print_stats("kill -9 until reported", death_ms);
    printf("%-34s %.3f\n", "ratio of the medians", start / raw);
}

static void co_bench(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts facts;
    struct qemu_cmdline_host host;
    struct hv_vm_spec spec;
    struct qemu_probe probe;
    static struct fixture f;
    static struct demo demo;
    const char **argv;

    fixture_init(&f);
    must(co_hv_qemu_open(&f.options, &f.hv, &facts, &e), &e);
    must(co_qemu_probe(f.dir, &probe, &e), &e);
    demo_spec(&demo, f.dir, &spec);
    host = (struct qemu_cmdline_host){probe.program, probe.accelerator, probe.sandbox};
    argv = qemu_cmdline(NULL, &host, &spec, &(struct qemu_cmdline_how){0}, &e);
    for (unsigned i = 0; i < rounds; i++) {
        raw_ms[i] = raw_start(argv, f.dir);
        start_ms[i] = co_driver_start(&f, &spec, &death_ms[i]);
    }
    talloc_free(argv);
    f.hv->driver->free(f.hv);
    print_all();
}

int main(int argc, char **argv)
{
    rounds = argc > 1 ? (unsigned)atoi(argv[1]) : rounds;
    if (rounds < 1 || rounds > ROUNDS_MAX || !demo_build())
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    fixture_program_begin();
    fiber_spawn("bench", co_bench, NULL);
    loop_run();
    fixture_program_end();
    return 0;
}
