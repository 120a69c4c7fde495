/* Calls a second on kept-alive connections, against a server that answers the same bytes without looking. */
#include <stdio.h>
#include <stdlib.h>
#include "tests/bench/api.h"
#include "tests/bench/floor_http.h"
#include "tests/bench/load.h"

#define ROUNDS 5
#define SECONDS 0.7
#define MOST_CLIENTS 16
#define GOAL 0.6

static void connect_all(struct load_client *clients, unsigned n, const char *address, uint16_t port,
                        struct buf *request)
{
    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct load_client){.next = load_same, .arg = request};
        https_open(&clients[i].https, address, port);
    }
}

static void close_all(struct load_client *clients, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        https_close(&clients[i].https);
}

/* The two take turns, since the machine may have other work; the medians count. */
static void compare(const struct target *t, const struct floor_http *floor_server, struct buf *request,
                    unsigned n, const char *what)
{
    struct load_client ours[MOST_CLIENTS], floors[MOST_CLIENTS];
    static double our_rates[MOST_ROUNDS], floor_rates[MOST_ROUNDS];
    unsigned rounds = bench_rounds(ROUNDS);
    char text[64];

    connect_all(ours, n, t->address, t->port, request);
    connect_all(floors, n, t->address, floor_server->port, request);
    for (unsigned i = 0; i < rounds; i++) {
        floor_rates[i] = load_run(floors, n, SECONDS);
        our_rates[i] = load_run(ours, n, SECONDS);
    }
    close_all(ours, n);
    close_all(floors, n);
    snprintf(text, sizeof text, "%s, %u connection%s", what, n, n > 1 ? "s" : "");
    report_figure(&(struct figure){text, "/s", median(our_rates, rounds), median(floor_rates, rounds), GOAL,
                                   MORE_IS_BETTER});
}

static void measure(struct api *a, enum api_format format, const char *method, const char *vm)
{
    CLEANUP_BUF struct buf request = {0}, body = {0};
    struct floor_http floor_server;
    char what[64], pem[512];

    api_request(&request, a, format, method, PARAMS(vm));
    https_send(&a->https, &request);
    https_receive(&a->https, &body);
    snprintf(pem, sizeof pem, "%s/tls/server.pem", a->target->state_dir);
    floor_http_start(&floor_server, a->target->address, pem, &body);
    snprintf(what, sizeof what, "%s, %s", method, format == API_XML ? "XML" : "JSON");
    compare(a->target, &floor_server, &request, 1, what);
    compare(a->target, &floor_server, &request, MOST_CLIENTS, what);
    floor_http_stop(&floor_server);
}

void bench_calls(const struct target *t)
{
    CLEANUP_FREE char *vm = NULL;
    struct api a;

    api_open(&a, t);
    vm = api_make_vm(&a, "calls");
    measure(&a, API_XML, "VM.get_power_state", vm);
    measure(&a, API_XML, "VM.get_record", vm);
    measure(&a, API_JSON, "VM.get_power_state", vm);
    measure(&a, API_JSON, "VM.get_record", vm);
    api_close(&a);
}
