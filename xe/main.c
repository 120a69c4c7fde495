/* xe: the command line of a pool. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xe/help.h"
#include "xe/run.h"

struct start {
    struct xe_options options;
    int exit_code;
};

static void co_main(void *arg)
{
    struct start *start = arg;

    start->exit_code = co_run(&start->options);
    loop_stop();
}

/* Ctrl-C ends xe at once with the code that scripts know. */
static void interrupted(int signal)
{
    _exit(1);
}

static void set_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, interrupted);
}

int main(int argc, char **argv)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct xe_environment env = {getenv("XE_EXTRA_ARGS"), getenv("HOME"), getenv("TRACEPARENT"),
                                 getenv("BAGGAGE")};
    struct start start = {.exit_code = 1};

    set_signals();
    switch (
        options_read(ctx, (const char *const *)argv + 1, (unsigned)argc - 1, &env, stderr, &start.options)) {
    case OPTIONS_USAGE:
        help_usage(stderr);
        return 0;
    case OPTIONS_VERSION:
        puts("ThinCLI protocol: 0.2");
        return 0;
    case OPTIONS_UNREADABLE:
        return 1;
    case OPTIONS_RUN:
        break;
    }
    fiber_set_slice_limit_ms(0);
    fiber_spawn("xe", co_main, &start);
    loop_run();
    return start.exit_code;
}
