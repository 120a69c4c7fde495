#include "tests/bench/large_reply.h"
#include <stdio.h>
#include "lib/clock.h"
#include "tests/bench/floor_http.h"

#define ROUNDS 7

static double fetch_ms(struct https *h, const struct buf *request, struct buf *keep)
{
    int64_t began = clock_now();

    https_send(h, request);
    https_receive(h, keep);
    return (double)(clock_now() - began) / 1e6;
}

static void compare(struct api *a, const struct floor_http *floor_server, const struct buf *request,
                    const char *what, double goal)
{
    static double ours[MOST_ROUNDS], floors[MOST_ROUNDS];
    unsigned rounds = bench_rounds(ROUNDS);
    struct https h;

    https_open(&h, a->target->address, floor_server->port);
    for (unsigned i = 0; i < rounds; i++) {
        floors[i] = fetch_ms(&h, request, NULL);
        ours[i] = fetch_ms(&a->https, request, NULL);
    }
    https_close(&h);
    report_figure(
        &(struct figure){what, "ms", median(ours, rounds), median(floors, rounds), goal, LESS_IS_BETTER});
}

void large_reply_report(struct api *a, const struct buf *request, enum api_format format, const char *what,
                        size_t at_least, double goal)
{
    CLEANUP_BUF struct buf body = {0};
    struct floor_http floor_server;
    char whole[96], pem[512];

    fetch_ms(&a->https, request, &body);
    if (body.len < at_least)
        die("%s: only %zu bytes", what, body.len);
    snprintf(whole, sizeof whole, "%s, %s, %.0f MB", what, format == API_XML ? "XML" : "JSON",
             (double)body.len / 1e6);
    snprintf(pem, sizeof pem, "%s/tls/server.pem", a->target->state_dir);
    floor_http_start(&floor_server, a->target->address, pem, &body);
    compare(a, &floor_server, request, whole, goal);
    floor_http_stop(&floor_server);
}
