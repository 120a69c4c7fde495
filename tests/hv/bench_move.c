/*
 * How long a guest's move to another host takes, and the gap that the guest shows, against QEMU driven by
 * hand: bench_move [rounds] In each round, by turns, with guests that tick every 10 ms: the driver's steps as
 * a coordinator asks for them, and the same over QMP by hand, with TLS and without. Each guest goes from
 * process to process; the start of the destination's does not count. Prints medians and ratios.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/probe.h"
#include "hv/qemu/qemu.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/hv/by_hand.h"
#include "tests/hv/console.h"
#include "tests/hv/demo.h"
#include "tests/hv/moving.h"

#define ROUNDS_MAX 101
#define GOAL 1.25

enum way { WAY_OURS, WAY_TLS, WAY_PLAIN, WAYS };
static const char *const way_names[] = {"driver", "by hand, TLS", "by hand, plain"};

struct figures {
    double total[ROUNDS_MAX], gap[ROUNDS_MAX], downtime[ROUNDS_MAX];
};

/* What the guest does meanwhile; ways: how it is moved. */
struct load {
    const char *name, *command;
    int64_t memory;
    bool post_copy;
};

static const struct load loads[] = {
    {"256 MB idle", "true", 256 << 20, false},
    {"256 MB dirtying",
     "(while :; do dd if=/dev/zero of=/ram/w bs=64k count=16 2>&-; usleep 20000; done) >&- 2>&- &", 256 << 20,
     false},
    {"256 MB dirtying, post-copy",
     "(while :; do dd if=/dev/zero of=/ram/w bs=64k count=16 2>&-; usleep 20000; done) >&- 2>&- &", 256 << 20,
     true},
    {"1 GB, 700 MB filled", "dd if=/dev/urandom of=/ram/full bs=1M count=700 2>&-", 1 << 30, false},
};

static unsigned rounds = 5;
static const char *only = ""; /* the loads whose names begin so */
static struct qemu_cmdline_host host;
static struct fixture a, b;
static unsigned folders;

/* ---- the way of a guest ---- */

struct traveller {
    enum way way;
    bool post_copy;
    struct moving m;    /* WAY_OURS */
    struct by_hand *at; /* else; it has watchers inside, so it stays where it is */
    struct hv_vm_spec spec;
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

static void co_set_out(struct traveller *t, enum way way, const struct load *load)
{
    static struct demo demos[WAYS]; /* what the specifications point to */
    CLEANUP_ERR struct err e = {0};
    struct hv_vm_facts facts;

    *t = (struct traveller){.way = way, .post_copy = load->post_copy};
    demo_spec(&demos[way], a.dir, &t->spec);
    t->spec.memory = load->memory;
    t->spec.n_nics = 0;
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

static void co_arrive(struct traveller *t)
{
    CLEANUP_ERR struct err e = {0};

    co_console_close(&t->console);
    if (t->way == WAY_OURS)
        must(t->m.from->hv->driver->co_stop(t->m.from->hv, t->spec.uuid, &e), &e);
    else
        co_by_hand_kill(t->at);
    free(t->at);
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

static void co_move_by_driver(struct traveller *t, struct figures *f, unsigned round)
{
    CLEANUP_ERR struct err e = {0};
    struct moving *m = &t->m;
    struct fixture *from = m->from;
    struct console there;
    char source[UUID_TEXT_SIZE];
    int64_t began;

    must(co_moving_step(m, STEP_RECEIVE, &e), &e);
    co_console_open(&there, m->to->hv, t->spec.uuid);
    began = clock_now();
    for (unsigned step = STEP_PREPARE; step <= STEP_DRAIN; step++)
        if (step != STEP_DRAIN || t->post_copy)
            must(co_moving_step(m, step, &e), &e);
    f->total[round] = ms(clock_now() - began);
    co_console_wait_ticks(&there, 1);
    f->gap[round] = ms(there.first_tick - t->console.last_tick);
    f->downtime[round] = co_our_downtime(t);
    must(co_moving_step(m, STEP_STOP, &e), &e);
    co_console_close(&t->console);
    co_console_close(&there);
    m->from = m->to;
    m->to = from;
    memcpy(source, m->passage.source, sizeof source);
    memcpy(m->passage.source, m->passage.destination, sizeof source);
    memcpy(m->passage.destination, source, sizeof source);
    co_console_open(&t->console, m->from->hv, t->spec.uuid);
}

/* ---- by hand ---- */

static void co_trust(struct by_hand *h, const struct fixture *as, const char *endpoint, const char *name)
{
    char dir[100];

    snprintf(dir, sizeof dir, "%s/pool", as->dir);
    json_decref(co_by_hand(h, "object-add",
                           json_pack("{s:s, s:s, s:s, s:s, s:b}", "qom-type", "tls-creds-x509", "id",
                                     endpoint, "dir", dir, "endpoint", endpoint, "verify-peer", true)));
    json_decref(co_by_hand(h, "migrate-set-parameters",
                           json_pack("{s:s, s:s}", "tls-creds", endpoint, "tls-hostname", name)));
}

static void co_allow_post_copy(struct by_hand *h)
{
    json_decref(co_by_hand(
        h, "migrate-set-capabilities",
        json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "postcopy-ram", "state", true)));
}

/* The URI at which the destination waits. */
static struct by_hand *co_listen(struct traveller *t, char uri[64])
{
    struct by_hand *to = start_by_hand(&t->spec, true);
    json_t *answer;

    if (t->way == WAY_TLS) {
        co_trust(t->at, &a, "client", b.host);
        co_trust(to, &b, "server", "");
    }
    if (t->post_copy) {
        co_allow_post_copy(t->at);
        co_allow_post_copy(to);
    }
    json_decref(co_by_hand(t->at, "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", 1LL << 40)));
    json_decref(co_by_hand(to, "migrate-incoming", json_pack("{s:s}", "uri", "tcp:127.0.0.1:0")));
    answer = co_by_hand(to, "query-migrate", NULL);
    snprintf(uri, 64, "tcp:127.0.0.1:%s",
             json_string_value(
                 json_object_get(json_array_get(json_object_get(answer, "socket-address"), 0), "port")));
    json_decref(answer);
    return to;
}

static void co_move_over(struct traveller *t, struct by_hand *to, const char *uri)
{
    json_decref(co_by_hand(t->at, "stop", NULL));
    json_decref(co_by_hand(t->at, "migrate", json_pack("{s:s}", "uri", uri)));
    if (t->post_copy) {
        co_by_hand_await(t->at, "active");
        json_decref(co_by_hand(t->at, "migrate-start-postcopy", NULL));
        co_by_hand_await(to, "postcopy-active");
    } else {
        co_by_hand_await(t->at, "completed");
        co_by_hand_await(to, "completed");
    }
    json_decref(co_by_hand(to, "cont", NULL));
    if (t->post_copy)
        co_by_hand_await(t->at, "completed");
}

static void co_move_by_hand(struct traveller *t, struct figures *f, unsigned round)
{
    struct console there;
    struct by_hand *to;
    json_t *answer;
    int64_t began;
    char uri[64];

    to = co_listen(t, uri);
    console_attach(&there, by_hand_console(to));
    began = clock_now();
    co_move_over(t, to, uri);
    f->total[round] = ms(clock_now() - began);
    co_console_wait_ticks(&there, 1);
    f->gap[round] = ms(there.first_tick - t->console.last_tick);
    answer = co_by_hand(t->at, "query-migrate", NULL);
    f->downtime[round] = json_number_value(json_object_get(answer, "downtime"));
    json_decref(answer);
    co_console_close(&t->console);
    co_console_close(&there);
    co_by_hand_kill(t->at);
    free(t->at);
    t->at = to;
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

static void print_all(const struct load *load, struct figures f[WAYS])
{
    double total[WAYS], gap[WAYS];

    for (unsigned way = 0; way < WAYS; way++) {
        total[way] = median(f[way].total);
        gap[way] = median(f[way].gap);
        printf("%-28s %-16s total %6.0f ms [%.0f - %.0f]  gap %6.0f ms [%.0f - %.0f]  downtime %4.0f ms\n",
               load->name, way_names[way], total[way], f[way].total[0], f[way].total[rounds - 1], gap[way],
               f[way].gap[0], f[way].gap[rounds - 1], median(f[way].downtime));
    }
    printf("%-28s ratio to by hand, TLS: total %.2f, gap %.2f (wanted <= %.2f); plain: %.2f, %.2f\n",
           load->name, total[WAY_OURS] / total[WAY_TLS], gap[WAY_OURS] / gap[WAY_TLS], GOAL,
           total[WAY_OURS] / total[WAY_PLAIN], gap[WAY_OURS] / gap[WAY_PLAIN]);
    fflush(stdout);
}

/* One guest at a time, so that none disturbs another's move. */
static void co_bench_load(const struct load *load)
{
    static struct figures f[WAYS];

    for (enum way way = 0; way < WAYS; way++) {
        struct traveller t;

        co_set_out(&t, way, load);
        for (unsigned round = 0; round < rounds; round++) {
            co_console_wait_ticks(&t.console, 50);
            if (way == WAY_OURS)
                co_move_by_driver(&t, &f[way], round);
            else
                co_move_by_hand(&t, &f[way], round);
        }
        co_arrive(&t);
    }
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
