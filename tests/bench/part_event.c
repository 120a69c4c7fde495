/* From a call that changes a VM to the arrival of the event at a client that waits for it. Counted from the
 * moment before the call is sent: decoding, the durable commit, the event's encoding and both ways over TLS
 * are all in it. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "lib/clock.h"
#include "tests/bench/events.h"
#include "tests/bench/floor_sqlite.h"

#define TIMES 1000
#define GOAL_MS 2

static double once_ms(struct api *a, struct events *w, const char *vm, int i)
{
    CLEANUP_FREE char *event = NULL;
    char text[64];
    int64_t began;
    double ms;

    snprintf(text, sizeof text, "event number %d", i);
    events_ask(w, a);
    began = clock_now();
    api_send(a, "VM.set_name_description", PARAMS(vm, text));
    event = events_answer(w);
    ms = (double)(clock_now() - began) / 1e6;
    free(api_answer(a));
    if (!strstr(event, text))
        die("an event without what was written: %.500s", event);
    return ms;
}

/* What the disk alone takes of it. */
static void report_commit(const struct target *t)
{
    struct floor_sqlite alone;

    floor_sqlite_open(&alone, t->state_dir);
    report_figure(&(struct figure){"of which one commit, by SQLite alone", "ms",
                                   1000 / floor_sqlite_run(&alone, 1, 1), 0, 0, LESS_IS_BETTER});
    floor_sqlite_close(&alone);
}

void bench_event(const struct target *t)
{
    CLEANUP_FREE char *vm = NULL;
    struct events watcher;
    static double ms[TIMES];
    struct api a;

    api_open(&a, t);
    vm = api_make_vm(&a, "events");
    events_open(&watcher, t, "VM", vm);
    for (int i = 0; i < TIMES; i++)
        ms[i] = once_ms(&a, &watcher, vm, i);
    report_figure(&(struct figure){"call that writes to waiting event client", "ms", median(ms, TIMES), 0,
                                   GOAL_MS, LESS_IS_BETTER});
    report_figure(&(struct figure){"the same, 99 of 100 within", "ms", quantile(ms, TIMES, 0.99), 0, 0,
                                   LESS_IS_BETTER});
    report_commit(t);
    events_close(&watcher);
    api_close(&a);
}
