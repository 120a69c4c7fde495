#include "tests/hv/console.h"
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/hv/fixture.h"

#define GUARD_MS 120000
#define BEGIN "begin of the output"

static void take_tick(struct console *c, unsigned long tick)
{
    int64_t now = clock_now();

    if (c->tick == 0) {
        c->first = tick;
        c->first_tick = now;
    } else if (now - c->last_tick > c->largest_gap) {
        c->largest_gap = now - c->last_tick;
    }
    c->tick = tick;
    c->last_tick = now;
}

/* The command comes back as an echo first, then what it prints, then "done" and its status. */
static void take_line(struct console *c, const char *line)
{
    unsigned long tick;
    int status;

    if (sscanf(line, "tick %lu ", &tick) == 1)
        take_tick(c, tick);
    else if (strcmp(line, BEGIN) == 0)
        c->listening = true;
    else if (c->listening && sscanf(line, "done %d", &status) == 1)
        c->done = true;
    else if (c->listening && !c->done)
        buf_printf(&c->output, "%s\n", line);
    fiber_cond_broadcast(&c->news);
}

static void take_bytes(struct console *c, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            if (bytes[i] != '\r')
                buf_add_char(&c->line, bytes[i]);
            continue;
        }
        take_line(c, buf_cstr(&c->line));
        buf_reset(&c->line);
    }
}

static void co_read_console(void *arg)
{
    struct console *c = arg;
    char piece[2048];
    ssize_t n;

    for (;;) {
        n = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n > 0)
            take_bytes(c, piece, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return;
        else if (co_wait_fd(c->fd, EV_READ, CLOCK_NEVER, "the console") < 0)
            return;
    }
}

void console_attach(struct console *c, int fd)
{
    *c = (struct console){.fd = fd};
    REQUIRE(fd >= 0);
    fiber_cond_init(&c->news);
    c->reader = fiber_ref(fiber_spawn("console", co_read_console, c));
}

void co_console_open(struct console *c, struct hv *hv, const char *uuid)
{
    console_attach(c, hv->driver->co_console(hv, uuid, "serial"));
}

void co_console_close(struct console *c)
{
    fiber_cancel(c->reader);
    REQUIRE(co_fiber_join(c->reader, clock_in_ms(GUARD_MS)) == 0);
    fiber_unref(c->reader);
    close(c->fd);
    buf_free(&c->line);
    buf_free(&c->output);
}

void co_console_wait_ticks(struct console *c, unsigned long n)
{
    int64_t deadline = clock_in_ms(GUARD_MS);

    for (unsigned long seen = 0, last = c->tick; seen < n; last = c->tick) {
        REQUIRE(co_cond_wait(&c->news, deadline, "a tick") == 0);
        seen += c->tick != last;
    }
}

char *co_console_run(struct console *c, const char *command)
{
    CLEANUP_BUF struct buf line = {0};
    int64_t deadline = clock_in_ms(GUARD_MS);

    co_console_wait_ticks(c, 1); /* before it ticks nobody listens */
    c->listening = c->done = false;
    buf_reset(&c->output);
    buf_printf(&line, "run echo " BEGIN "; %s\n", command);
    REQUIRE(send(c->fd, line.data, line.len, MSG_NOSIGNAL) == (ssize_t)line.len);
    while (!c->done)
        REQUIRE(co_cond_wait(&c->news, deadline, "the end of a command") == 0);
    if (c->output.len > 0)
        c->output.len--;
    return mem_strdup(buf_cstr(&c->output));
}
