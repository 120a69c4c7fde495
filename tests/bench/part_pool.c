/* A pool on this machine: how long a host takes to join, what a call costs through a member, how far a member
 * is behind, and what one more host and its VMs cost. BENCH_HOSTS daemons wait on consecutive addresses, none
 * of them joined yet; BENCH_VMS is how many VMs there are for each. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/bench/events.h"
#include "tests/bench/host.h"
#include "tests/bench/many_vms.h"

enum { MOST_HOSTS = 64, TIMES = 500, WAIT_S = 600 };
#define GOAL_THROUGH_MEMBER 2
#define GOAL_LAG_MS 5

/* Host i of the pool, the coordinator being 0. */
struct hosts {
    unsigned n;
    struct target v[MOST_HOSTS];
    char address[MOST_HOSTS][INET_ADDRSTRLEN], state_dir[MOST_HOSTS][512];
};

static unsigned number(const char *name, unsigned usual)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 10) : usual;
}

/* scripts/lab lays hosts side by side. */
static void find_hosts(const struct target *t, struct hosts *h)
{
    struct in_addr first;
    size_t stem = strlen(t->state_dir) - 1;

    h->n = number("BENCH_HOSTS", 2);
    if (h->n < 2 || h->n > MOST_HOSTS || inet_pton(AF_INET, t->address, &first) != 1)
        die("BENCH_HOSTS is from 2 to %d", MOST_HOSTS);
    for (unsigned i = 0; i < h->n; i++) {
        struct in_addr a = {htonl(ntohl(first.s_addr) + i)};

        inet_ntop(AF_INET, &a, h->address[i], sizeof h->address[i]);
        snprintf(h->state_dir[i], sizeof h->state_dir[i], "%.*s%u", (int)stem, t->state_dir, i + 1);
        h->v[i] = (struct target){h->address[i], t->port, t->password, h->state_dir[i]};
    }
}

/* ---- joining ---- */

static unsigned count_live(struct api *a)
{
    CLEANUP_FREE char *records = api_call(a, "host_metrics.get_all_records", 0, NULL);
    static const char live[] = "<name>live</name><value><boolean>1</boolean>";
    unsigned n = 0;

    for (const char *at = records; (at = strstr(at, live)); at++)
        n++;
    return n;
}

static void await_live(struct api *a, unsigned n)
{
    int64_t deadline = clock_in_ms(WAIT_S * 1000);

    while (count_live(a) < n) {
        if (clock_now() > deadline)
            die("not all %u hosts are live", n);
        usleep(1000);
    }
}

static double join_ms(const struct hosts *h, unsigned i, struct api *coordinator)
{
    int64_t began = clock_now();
    struct api member;

    api_open(&member, &h->v[i]);
    free(api_call(&member, "pool.join", PARAMS(h->address[0], "root", h->v[0].password)));
    https_close(&member.https); /* the session is gone with the host's own pool */
    await_live(coordinator, i + 1);
    return (double)(clock_now() - began) / 1e6;
}

static void join_all(const struct hosts *h)
{
    double ms[MOST_HOSTS];
    struct api a;
    char what[64];

    api_open(&a, &h->v[0]);
    for (unsigned i = 1; i < h->n; i++)
        ms[i - 1] = join_ms(h, i, &a);
    api_close(&a);
    snprintf(what, sizeof what, "pool.join until live, the %uth host", h->n);
    report_figure(&(struct figure){what, "ms", ms[h->n - 2], 0, 0, LESS_IS_BETTER});
    report_figure(
        &(struct figure){"the same, median of all", "ms", median(ms, h->n - 1), 0, 0, LESS_IS_BETTER});
}

/* ---- calls ---- */

static double call_us(struct api *a, const char *method, unsigned n, const char *const *params)
{
    int64_t began = clock_now();

    free(api_call(a, method, n, params));
    return (double)(clock_now() - began) / 1e3;
}

/* Alternating, so that both see the same machine. */
static void compare_calls(struct api *coordinator, struct api *member, const char *vm, bool write)
{
    static double here[TIMES], there[TIMES];
    const char *method = write ? "VM.set_name_description" : "VM.get_record";
    char one[32], other[32];

    for (int i = 0; i < TIMES; i++) {
        snprintf(one, sizeof one, "number %d", i);
        snprintf(other, sizeof other, "again %d", i);
        there[i] = call_us(coordinator, method, write ? 2 : 1, (const char *const[]){vm, one});
        here[i] = call_us(member, method, write ? 2 : 1, (const char *const[]){vm, other});
    }
    report_figure(&(struct figure){write ? "a write through a member, at the coordinator"
                                         : "VM.get_record at a member, at the coordinator",
                                   "us", median(here, TIMES), median(there, TIMES), GOAL_THROUGH_MEMBER,
                                   LESS_IS_BETTER});
}

/* From the coordinator's answer to the arrival at a client that waits at the member. */
static double lag_ms(struct api *a, struct api *member, struct events *w, const char *vm, int i)
{
    char text[64];
    int64_t answered, came;

    snprintf(text, sizeof text, "lag number %d", i);
    events_ask(w, member);
    free(api_call(a, "VM.set_name_description", PARAMS(vm, text)));
    answered = clock_now();
    free(events_answer(w));
    came = clock_now();
    return (double)(came - answered) / 1e6;
}

static void report_lag(const struct hosts *h, struct api *coordinator, struct api *member, const char *vm)
{
    static double ms[TIMES];
    struct events watcher;

    events_open(&watcher, &h->v[h->n - 1], "VM", vm);
    for (int i = 0; i < TIMES; i++)
        ms[i] = lag_ms(coordinator, member, &watcher, vm, i);
    report_figure(&(struct figure){"lag of a member's event client", "ms", median(ms, TIMES), 0, GOAL_LAG_MS,
                                   LESS_IS_BETTER});
    report_figure(&(struct figure){"the same, 99 of 100 within", "ms", quantile(ms, TIMES, 0.99), 0, 0,
                                   LESS_IS_BETTER});
    events_close(&watcher);
}

static void report_calls(const struct hosts *h)
{
    struct api coordinator, member;

    api_open(&coordinator, &h->v[0]);
    api_open(&member, &h->v[h->n - 1]);
    char *vm = api_make_vm(&member, "pool");
    compare_calls(&coordinator, &member, vm, false);
    compare_calls(&coordinator, &member, vm, true);
    report_lag(h, &coordinator, &member, vm);
    free(vm);
    api_close(&member);
    api_close(&coordinator);
}

/* ---- memory ---- */

static void report_memory(const struct hosts *h, const char *what)
{
    char text[64];

    snprintf(text, sizeof text, "memory of the coordinator, %s", what);
    report_figure(&(struct figure){text, "MB", host_memory_kb(&h->v[0]) / 1024, 0, 0, LESS_IS_BETTER});
    snprintf(text, sizeof text, "memory of a member, %s", what);
    report_figure(&(struct figure){text, "MB", host_memory_kb(&h->v[h->n - 1]) / 1024, 0, 0, LESS_IS_BETTER});
}

static void add_vms(const struct hosts *h)
{
    unsigned vms = number("BENCH_VMS", 1000) * h->n;
    struct api a;
    int64_t began;
    char text[64];

    many_vms_restart(&h->v[0], 0, vms);
    began = clock_now();
    api_open(&a, &h->v[0]);
    await_live(&a, h->n);
    snprintf(text, sizeof text, "all hosts live again, with %u VMs", vms);
    report_figure(&(struct figure){text, "ms", (double)(clock_now() - began) / 1e6, 0, 0, LESS_IS_BETTER});
    free(api_call(&a, "pool.sync_database", 0, NULL));
    report_figure(&(struct figure){"until each has them all on its disk", "s",
                                   (double)(clock_now() - began) / 1e9, 0, 0, LESS_IS_BETTER});
    api_close(&a);
}

void bench_pool(const struct target *t)
{
    static struct hosts h;

    find_hosts(t, &h);
    join_all(&h);
    report_calls(&h);
    report_memory(&h, "no VMs");
    add_vms(&h);
    report_calls(&h);
    report_memory(&h, "with them");
}
