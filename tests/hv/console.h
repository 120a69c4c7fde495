#ifndef TESTS_HV_CONSOLE_H
#define TESTS_HV_CONSOLE_H
/*
 * The demo guest's serial console: when its ticks come, and commands run in it.
 */
#include "hv/hv.h"
#include "lib/buf.h"
#include "lib/fiber.h"

struct console {
    int fd;
    struct fiber *reader;
    struct fiber_cond news;
    struct buf line;               /* not yet whole */
    unsigned long first, tick;     /* the first seen, the latest; 0: none yet */
    int64_t first_tick, last_tick; /* clock_now() when they came */
    int64_t largest_gap;           /* between two ticks, ns */
    bool listening, done;          /* a command runs; it has ended */
    struct buf output;
};

/* Begin to read; and stop. console_attach takes over a descriptor. */
void co_console_open(struct console *c, struct hv *hv, const char *uuid);
void console_attach(struct console *c, int fd);
void co_console_close(struct console *c);

/* Wait for n more ticks. */
void co_console_wait_ticks(struct console *c, unsigned long n);

/* What a shell command prints, without the last newline, to free(). */
char *co_console_run(struct console *c, const char *command);

#endif
