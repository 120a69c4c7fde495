/* From the end of a QEMU that somebody killed to the arrival of the VM's halted state at a waiting client. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "tests/bench/events.h"
#include "tests/bench/guest.h"

#define TIMES 9
#define GOAL_MS 50

/* Wait for the state; other changes of the VM may come first. */
static void await_state(struct events *w, struct api *a, const char *state)
{
    for (;;) {
        CLEANUP_FREE char *event = events_answer(w);
        CLEANUP_FREE char *now = strstr(event, "power_state") ? api_member(event, "power_state") : NULL;

        if (now && strcmp(now, state) == 0)
            return;
        events_ask(w, a);
    }
}

static double once_ms(struct api *a, struct events *w, const char *vm, const char *uuid)
{
    struct guest_process g;
    int64_t began;

    free(api_call(a, "VM.start", PARAMS(vm, "<boolean>0</boolean>", "<boolean>0</boolean>")));
    events_ask(w, a);
    await_state(w, a, "Running");
    guest_find(&g, uuid);
    events_ask(w, a);
    began = clock_now();
    must(kill(g.pid, SIGKILL) == 0, "kill");
    await_state(w, a, "Halted");
    guest_free(&g);
    return (double)(clock_now() - began) / 1e6;
}

void bench_killed(const struct target *t)
{
    CLEANUP_FREE char *vm = NULL;
    CLEANUP_FREE char *uuid = NULL;
    struct events watcher;
    static double ms[MOST_ROUNDS];
    unsigned rounds = bench_rounds(TIMES);
    struct api a;

    api_open(&a, t);
    vm = api_make_guest(&a, "killed");
    uuid = api_call_text(&a, "VM.get_uuid", PARAMS(vm));
    events_open(&watcher, t, "VM", vm);
    for (unsigned i = 0; i < rounds; i++)
        ms[i] = once_ms(&a, &watcher, vm, uuid);
    report_figure(&(struct figure){"killed QEMU to Halted at a waiting client", "ms", median(ms, rounds), 0,
                                   GOAL_MS, LESS_IS_BETTER});
    report_figure(
        &(struct figure){"the same, the slowest", "ms", quantile(ms, rounds, 1), 0, 0, LESS_IS_BETTER});
    events_close(&watcher);
    api_close(&a);
}
