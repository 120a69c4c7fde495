/* VM.start, from the call to its answer, against the very same QEMU executed by hand, until it answers. */
#include <stdio.h>
#include <stdlib.h>
#include "lib/clock.h"
#include "tests/bench/api.h"
#include "tests/bench/by_hand.h"

#define TIMES 9
#define GOAL 1.5

static double start_ms(struct api *a, const char *vm)
{
    int64_t began = clock_now();

    free(api_call(a, "VM.start", PARAMS(vm, "<boolean>0</boolean>", "<boolean>0</boolean>")));
    return (double)(clock_now() - began) / 1e6;
}

static void stop(struct api *a, const char *vm)
{
    free(api_call(a, "VM.hard_shutdown", PARAMS(vm)));
}

static double by_hand_ms(const struct guest_process *g, const char *folder)
{
    struct by_hand b;
    int64_t began;
    double ms;

    by_hand_init(&b, g, folder);
    began = clock_now();
    by_hand_start(&b, false);
    ms = (double)(clock_now() - began) / 1e6;
    by_hand_kill(&b);
    by_hand_fini(&b);
    return ms;
}

void bench_start(const struct target *t)
{
    CLEANUP_FREE char *vm = NULL;
    CLEANUP_FREE char *uuid = NULL;
    static double ours[MOST_ROUNDS], by_hand[MOST_ROUNDS];
    char folder[512];
    unsigned rounds = bench_rounds(TIMES);
    struct api a;

    api_open(&a, t);
    vm = api_make_guest(&a, "start");
    uuid = api_call_text(&a, "VM.get_uuid", PARAMS(vm));
    snprintf(folder, sizeof folder, "%s/by-hand", t->state_dir);
    for (unsigned i = 0; i < rounds; i++) {
        struct guest_process g;

        ours[i] = start_ms(&a, vm);
        guest_find(&g, uuid);
        stop(&a, vm);
        by_hand[i] = by_hand_ms(&g, folder);
        guest_free(&g);
    }
    report_figure(&(struct figure){"VM.start; QEMU by hand to its first answer", "ms", median(ours, rounds),
                                   median(by_hand, rounds), GOAL, LESS_IS_BETTER});
    api_close(&a);
}
