#include "tests/bench/load.h"
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/bench/bench.h"

#define EVENTS 64

const struct buf *load_same(struct load_client *c, unsigned long sent)
{
    return c->arg;
}

static bool send_next(struct load_client *c)
{
    const struct buf *request = c->next(c, c->sent);

    if (!request)
        return false;
    https_send(&c->https, request);
    c->sent++;
    return true;
}

static int watch(struct load_client *clients, unsigned n)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    must(epoll >= 0, "epoll");
    for (unsigned i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].https.fd, &e) == 0, "epoll");
    }
    return epoll;
}

/* Receive what is there; each reply is followed by the next request until the time is over. Returns the
 * number of replies. */
static unsigned turn(int epoll, int64_t until, unsigned *pending)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, -1);

    for (int i = 0; i < n; i++) {
        struct load_client *c = events[i].data.ptr;
        https_receive(&c->https, NULL);
        if (clock_now() >= until || !send_next(c))
            --*pending;
    }
    return n > 0 ? (unsigned)n : 0;
}

double load_run(struct load_client *clients, unsigned n, double seconds)
{
    int epoll = watch(clients, n);
    int64_t began = clock_now(), until = seconds > 0 ? began + (int64_t)(seconds * 1e9) : CLOCK_NEVER;
    unsigned long replies = 0;
    unsigned pending = 0;

    for (unsigned i = 0; i < n; i++)
        pending += send_next(&clients[i]);
    while (pending > 0)
        replies += turn(epoll, until, &pending);
    close(epoll);
    return (double)replies / ((double)(clock_now() - began) / 1e9);
}
