/* What many VMs cost: memory, start-up, and a client that asks for everything. */
#include <stdio.h>
#include "tests/bench/api.h"
#include "tests/bench/host.h"
#include "tests/bench/large_reply.h"
#include "tests/bench/many_vms.h"

#define MANY 10000
#define SOME 1000
#define GOAL_EMPTY_MB 20
#define GOAL_KB_A_VM 10

static void report(const char *what, const char *unit, double value, double goal)
{
    report_figure(&(struct figure){what, unit, value, 0, goal, LESS_IS_BETTER});
}

static void ask_for_everything(const struct target *t, enum api_format format)
{
    CLEANUP_BUF struct buf request = {0};
    struct api a;

    api_open(&a, t);
    if (format == API_XML)
        api_request(&request, &a, format, "event.from",
                    PARAMS("<array><data><value>*</value></data></array>", "", "<double>30</double>"));
    else
        api_request(&request, &a, format, "event.from", PARAMS("=[\"*\"]", "", "=30.0"));
    large_reply_report(&a, &request, format, "event.from of everything, 10000 VMs", MANY * 1000, 0);
    api_close(&a);
}

void bench_size(const struct target *t)
{
    double empty, some, many, start_ms;

    start_ms = many_vms_restart(t, 0, 0);
    empty = host_memory_kb(t);
    report("start to first answer, empty", "ms", start_ms, 0);
    many_vms_restart(t, 0, SOME);
    some = host_memory_kb(t);
    start_ms = many_vms_restart(t, SOME, MANY);
    many = host_memory_kb(t);
    report("start to first answer, 10000 VMs", "ms", start_ms, 0);
    report("resident memory, empty", "MB", empty / 1024, GOAL_EMPTY_MB);
    report("resident memory, 1000 VMs", "MB", some / 1024, 0);
    report("resident memory, 10000 VMs", "MB", many / 1024, 0);
    report("of which a VM with its disk and NIC", "KB", (many - empty) / MANY, GOAL_KB_A_VM);
    ask_for_everything(t, API_XML);
    ask_for_everything(t, API_JSON);
}
