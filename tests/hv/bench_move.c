/*
 * How long a guest's move to another host takes, and the gap that the guest shows, against QEMU driven by
 * hand: bench_move [rounds [load]] Guests that tick every 10 ms take turns, one moved by the driver's steps
 * as a coordinator asks for them, one by the same method over QMP by hand with TLS, one without; the others
 * stand still meanwhile. Each goes from process to process; that the destination's gets ready does not count.
 * Prints medians and ranges, and the median of each round's ratio; the processor time is of both QEMUs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "hv/qemu/probe.h"
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/hv/console.h"
#include "tests/hv/demo.h"
#include "tests/hv/hand_move.h"
#include "tests/hv/moving.h"

#define ROUNDS_MAX 102
#define GOAL 1.25
#define DISK_MB 300

enum way { WAY_OURS, WAY_TLS, WAY_PLAIN, WAYS };
static const char *const way_names[] = {"driver", "by hand, TLS", "by hand, plain"};

struct figures {
    double total[ROUNDS_MAX], gap[ROUNDS_MAX], downtime[ROUNDS_MAX], cpu[ROUNDS_MAX];
};

/* What the guest does meanwhile; ways: how it is moved. */
struct load {
    const char *name, *command;
    int64_t memory;
    bool post_copy, mirror;
};

#define DIRTYING "(while :; do dd if=/dev/zero of=/ram/w bs=64k count=16 2>&-; usleep 20000; done) >&- 2>&- &"
/* Pages that no two of are alike need not be: what counts is that none is empty. Random ones take minutes. */
#define FILLING \
    "head -c 4194304 /dev/urandom >/ram/part; for i in $(seq 175); do cat /ram/part; done >/ram/full"

static const struct load loads[] = {
    {"256 MB idle", "true", 256 << 20, false, false},
    {"256 MB dirtying", DIRTYING, 256 << 20, false, false},
    {"256 MB dirtying, post-copy", DIRTYING, 256 << 20, true, false},
    {"1 GB, 700 MB filled", FILLING, 1 << 30, false, false},
    {"1 GB, 700 MB filled, dirtying", FILLING "; " DIRTYING, 1 << 30, false, false},
    {"256 MB and a disk of 300 MB", "true", 256 << 20, false, true},
};

static unsigned rounds = 6;   /* each way comes first as often as the others */
static const char *only = ""; /* the loads whose names begin so */
static struct qemu_cmdline_host host;
static struct fixture a, b;
static unsigned folders;

/* ---- the way of a guest ---- */

struct traveller {
    enum way way;
    const struct load *load;
    struct moving m;    /* WAY_OURS */
    struct by_hand *at; /* else; it has watchers inside, so it stays where it is */
    struct hv_vm_spec spec;
    struct demo demo;        /* what the specification points to */
    struct hv_disk disks[2]; /* where it is, and where it goes to, by turns */
    char paths[2][120];
    unsigned here;
    struct console console;
};

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void must(int r, const struct err *e)
{
    if (r == 0)
        return;
    fprintf(stderr, "%s\n", err_text(NULL, e));
    exit(1);
}

static struct by_hand *start_by_hand(const struct hv_vm_spec *spec, bool incoming)
{
    struct by_hand *h = mem_zalloc(sizeof *h);
    char folder[120];

    snprintf(folder, sizeof folder, "%s/hand%u", a.dir, folders++);
    by_hand_start(h, &host, &((struct qemu_hv *)(void *)a.hv)->cgroups, folder, spec, incoming);
    return h;
}

/* ---- its disk ---- */

static void run(const char *command)
{
    REQUIRE(system(command) == 0);
}

static void make_image(struct traveller *t, unsigned i, bool full)
{
    char command[500];

    snprintf(t->paths[i], sizeof t->paths[i], "%s/disk%u-%u.qcow2", a.dir, t->way, folders++);
    if (full)
        snprintf(
            command, sizeof command,
            "head -c %dM /dev/urandom > '%s.raw' && qemu-img convert -O qcow2 '%s.raw' '%s' && rm '%s.raw'",
            DISK_MB, t->paths[i], t->paths[i], t->paths[i], t->paths[i]);
    else
        snprintf(command, sizeof command, "qemu-img create -q -f qcow2 '%s' %dM", t->paths[i], DISK_MB);
    run(command);
    t->disks[i] = t->demo.disks[0];
    t->disks[i].path = t->paths[i];
}

/* With a disk that moves along, the specification of the next destination has a new one. */
static void take_disk_along(struct traveller *t)
{
    static const unsigned mirrors[] = {0};
    unsigned next = !t->here;

    if (!t->load->mirror)
        return;
    if (t->paths[next][0])
        unlink(t->paths[next]);
    make_image(t, next, false);
    t->here = next;
    t->spec.disks = t->m.spec.disks = &t->disks[next];
    t->m.passage.n_mirrors = 1;
    t->m.passage.mirrors = mirrors;
}

/* ---- its beginning and its end ---- */

static void co_set_out(struct traveller *t, enum way way, const struct load *load)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    *t = (struct traveller){.way = way, .load = load};
    demo_spec(&t->demo, a.dir, &t->spec);
    t->spec.memory = load->memory;
    t->spec.n_nics = 0;
    if (load->mirror) {
        make_image(t, 0, true);
        t->spec.disks = &t->disks[0];
    }
    moving_init(&t->m, &a, &b, &t->spec);
    t->m.passage.options.post_copy = load->post_copy;
    if (way == WAY_OURS) {
        must(a.hv->driver->co_start(a.hv, &t->spec, &facts, &e), &e);
        co_console_open(&t->console, a.hv, t->spec.uuid);
    } else {
        t->at = start_by_hand(&t->spec, false);
        console_attach(&t->console, by_hand_console(t->at));
        json_decref(co_by_hand(t->at, "cont", NULL));
    }
    co_console_wait_ticks(&t->console, 200); /* by then it is quiet */
    free(co_console_run(&t->console, "mkdir /ram; mount -t tmpfs -o size=90% none /ram"));
    free(co_console_run(&t->console, load->command));
}

/* Its turn is over, or it has come. */
static void co_rest(struct traveller *t, bool rests)
{
    CLEANUP_ERR struct err e = {0};
    struct hv *hv = t->m.from->hv;

    if (t->way != WAY_OURS)
        json_decref(co_by_hand(t->at, rests ? "stop" : "cont", NULL));
    else
        must(rests ? hv->driver->co_pause(hv, t->spec.uuid, &e)
                   : hv->driver->co_unpause(hv, t->spec.uuid, &e),
             &e);
}

static void co_arrive(struct traveller *t)
{
    CLEANUP_ERR struct err e = {0};

    co_console_close(&t->console);
    if (t->way == WAY_OURS)
        must(t->m.from->hv->driver->co_stop(t->m.from->hv, t->spec.uuid, &e), &e);
    else
        co_by_hand_kill(t->at);
    free(t->at);
    for (unsigned i = 0; i < 2; i++)
        if (t->paths[i][0])
            unlink(t->paths[i]);
}

/* Processor time that a process has taken, in ms. */
static double cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec t;

    REQUIRE(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- by the driver ---- */

static double co_our_downtime(struct traveller *t)
{
    struct qemu_vm *vm = qemu_vm_find((struct qemu_hv *)(void *)t->m.from->hv, t->spec.uuid);
    CLEANUP_ERR struct err e = {0};
    json_t *answer = NULL;
    double downtime;

    must(co_qmp_command(vm->qmp, "query-migrate", NULL, clock_in_ms(5000), &answer, &e), &e);
    downtime = json_number_value(json_object_get(answer, "downtime"));
    json_decref(answer);
    return downtime;
}

static double our_cpu(const struct traveller *t)
{
    return cpu_of(fixture_pid(t->m.from, t->spec.uuid)) + cpu_of(fixture_pid(t->m.to, t->spec.uuid));
}

static void turn_round(struct moving *m)
{
    struct fixture *from = m->from;

    m->from = m->to;
    m->to = from;
    memcpy(m->passage.source, m->from->host, sizeof m->passage.source);
    memcpy(m->passage.destination, m->to->host, sizeof m->passage.destination);
}

static void co_move_by_driver(struct traveller *t, struct figures *f, unsigned round)
{
    CLEANUP_ERR struct err e = {0};
    struct moving *m = &t->m;
    struct console there;
    int64_t began;
    double cpu;

    must(co_moving_step(m, STEP_RECEIVE, &e), &e);
    co_console_open(&there, m->to->hv, t->spec.uuid);
    cpu = our_cpu(t);
    began = clock_now();
    for (unsigned step = STEP_PREPARE; step <= STEP_DRAIN; step++)
        if (step != STEP_DRAIN || t->load->post_copy)
            must(co_moving_step(m, step, &e), &e);
    f->total[round] = ms(clock_now() - began);
    f->cpu[round] = our_cpu(t) - cpu;
    co_console_wait_ticks(&there, 1);
    f->gap[round] = ms(there.first_tick - t->console.last_tick);
    f->downtime[round] = co_our_downtime(t);
    must(co_moving_step(m, STEP_STOP, &e), &e);
    fixture_forget(&a);
    fixture_forget(&b);
    co_console_close(&t->console);
    co_console_close(&there);
    turn_round(m);
    co_console_open(&t->console, m->from->hv, t->spec.uuid);
}

/* ---- by hand ---- */

static double co_downtime_by_hand(struct by_hand *h)
{
    json_t *answer = co_by_hand(h, "query-migrate", NULL);
    double downtime = json_number_value(json_object_get(answer, "downtime"));

    json_decref(answer);
    return downtime;
}

static void co_move_by_hand(struct traveller *t, struct figures *f, unsigned round)
{
    bool tls = t->way == WAY_TLS;
    struct hand_move m = {.from = t->at,
                          .to = start_by_hand(&t->spec, true),
                          .from_dir = tls ? a.dir : NULL,
                          .to_dir = tls ? b.dir : NULL,
                          .to_name = b.host,
                          .post_copy = t->load->post_copy,
                          .mirror = t->load->mirror};
    struct console there;
    int64_t began;
    double cpu;

    co_hand_await(&m);
    console_attach(&there, by_hand_console(m.to));
    cpu = cpu_of(m.from->process.pid) + cpu_of(m.to->process.pid);
    began = clock_now();
    co_hand_move(&m);
    f->total[round] = ms(clock_now() - began);
    f->cpu[round] = cpu_of(m.from->process.pid) + cpu_of(m.to->process.pid) - cpu;
    co_console_wait_ticks(&there, 1);
    f->gap[round] = ms(there.first_tick - t->console.last_tick);
    f->downtime[round] = co_downtime_by_hand(m.from);
    co_console_close(&t->console);
    co_console_close(&there);
    co_by_hand_kill(m.from);
    free(m.from);
    t->at = m.to;
    console_attach(&t->console, by_hand_console(t->at));
}

/* ---- figures ---- */

static int compare(const void *x, const void *y)
{
    double m = *(const double *)x, n = *(const double *)y;

    return (m > n) - (m < n);
}

static double median(double *values)
{
    qsort(values, rounds, sizeof *values, compare);
    return values[rounds / 2];
}

/* Of what came right after one another: what else the machine does is the same for both then. */
static double ratio(const double *ours, const double *by_hand)
{
    double ratios[ROUNDS_MAX];

    for (unsigned i = 0; i < rounds; i++)
        ratios[i] = ours[i] / by_hand[i];
    return median(ratios);
}

static void print_ratios(const struct load *load, const struct figures f[WAYS])
{
    const struct figures *ours = &f[WAY_OURS], *tls = &f[WAY_TLS], *plain = &f[WAY_PLAIN];

    printf(
        "%-30s to by hand, TLS: total %.2f, gap %.2f (wanted <= %.2f), processors %.2f; plain: %.2f, %.2f\n",
        load->name, ratio(ours->total, tls->total), ratio(ours->gap, tls->gap), GOAL,
        ratio(ours->cpu, tls->cpu), ratio(ours->total, plain->total), ratio(ours->gap, plain->gap));
}

static void print_all(const struct load *load, struct figures f[WAYS])
{
    print_ratios(load, f);
    for (unsigned way = 0; way < WAYS; way++) {
        double total = median(f[way].total), gap = median(f[way].gap);

        printf("%-30s %-15s total %5.0f ms [%.0f - %.0f]  gap %5.0f ms [%.0f - %.0f]  processors %5.0f ms  "
               "downtime %4.0f ms\n",
               load->name, way_names[way], total, f[way].total[0], f[way].total[rounds - 1], gap,
               f[way].gap[0], f[way].gap[rounds - 1], median(f[way].cpu), median(f[way].downtime));
    }
    fflush(stdout);
}

static void co_bench_load(const struct load *load)
{
    static struct figures f[WAYS];
    static struct traveller travellers[WAYS];

    for (enum way way = 0; way < WAYS; way++) {
        co_set_out(&travellers[way], way, load);
        co_rest(&travellers[way], true);
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < WAYS; i++) {
            enum way way = (round + i) % WAYS;
            struct traveller *t = &travellers[way];

            co_rest(t, false);
            co_console_wait_ticks(&t->console, 50);
            take_disk_along(t);
            if (way == WAY_OURS)
                co_move_by_driver(t, &f[way], round);
            else
                co_move_by_hand(t, &f[way], round);
            co_rest(t, true);
        }
    }
    for (enum way way = 0; way < WAYS; way++)
        co_arrive(&travellers[way]);
    print_all(load, f);
}

static void co_bench(void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_host_facts facts;
    struct qemu_probe probe;
    struct hv_vm_spec none = {0};
    struct moving m;

    fixture_init(&a);
    fixture_init(&b);
    must(co_hv_qemu_open(&a.options, &a.hv, &facts, &e), &e);
    must(co_hv_qemu_open(&b.options, &b.hv, &facts, &e), &e);
    must(co_qemu_probe(a.dir, &probe, &e), &e);
    host = (struct qemu_cmdline_host){probe.program, probe.accelerator, probe.sandbox};
    moving_init(&m, &a, &b, &none);
    moving_certify(&m);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        if (strncmp(loads[i].name, only, strlen(only)) == 0)
            co_bench_load(&loads[i]);
    a.hv->driver->free(a.hv);
    b.hv->driver->free(b.hv);
}

int main(int argc, char **argv)
{
    rounds = argc > 1 ? (unsigned)atoi(argv[1]) : rounds;
    if (argc > 2)
        only = argv[2];
    if (rounds < 1 || rounds > ROUNDS_MAX || !demo_build())
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    fixture_program_begin();
    fiber_spawn("bench", co_bench, NULL);
    loop_run();
    fixture_program_end();
    return 0;
}
