/* bench PART: measure one thing of the daemon that scripts/bench has started. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/bench.h"

static const struct bench_part parts[] = {
    {"start", bench_start},     {"calls", bench_calls}, {"bulk", bench_bulk},
    {"writes", bench_writes},   {"event", bench_event}, {"killed", bench_killed},
    {"devices", bench_devices}, {"size", bench_size},   {"pool", bench_pool},
};

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    if (!value)
        die("%s is not set: run scripts/bench", name);
    return value;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "head") == 0) {
        report_head();
        return 0;
    }
    for (unsigned i = 0; argc == 2 && i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].name, argv[1]) != 0)
            continue;
        struct target t = {setting("BENCH_ADDRESS"), (uint16_t)atoi(setting("BENCH_PORT")),
                           setting("BENCH_PASSWORD"), setting("BENCH_STATE_DIR")};
        parts[i].run(&t);
        return 0;
    }
    die("usage: bench start|calls|bulk|writes|event|killed|devices|size|pool");
}
