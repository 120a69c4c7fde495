/* All records of ten thousand VMs, against a server that writes the same bytes from memory. */
#include <stdio.h>
#include <stdlib.h>
#include "lib/clock.h"
#include "tests/bench/api.h"
#include "tests/bench/floor_http.h"
#include "tests/bench/load.h"

#define VMS 10000
#define MAKERS 32
#define ROUNDS 7
#define GOAL 3

/* ---- making them ---- */

struct maker {
    struct buf request;
    struct api *api;
    unsigned *left;
};

static const struct buf *make_next(struct load_client *c, unsigned long sent)
{
    struct maker *m = c->arg;
    CLEANUP_FREE char *text = NULL;
    char name[32];

    if (*m->left == 0)
        return NULL;
    snprintf(name, sizeof name, "bulk %u", (*m->left)--);
    text = api_vm_struct(name);
    buf_reset(&m->request);
    api_request(&m->request, m->api, API_XML, "VM.create", PARAMS(text));
    return &m->request;
}

static void make_vms(struct api *a)
{
    struct load_client clients[MAKERS];
    struct maker makers[MAKERS];
    unsigned left = VMS;

    for (unsigned i = 0; i < MAKERS; i++) {
        makers[i] = (struct maker){.api = a, .left = &left};
        clients[i] = (struct load_client){.next = make_next, .arg = &makers[i]};
        https_open(&clients[i].https, a->target->address, a->target->port);
    }
    load_run(clients, MAKERS, 0);
    for (unsigned i = 0; i < MAKERS; i++) {
        https_close(&clients[i].https);
        buf_free(&makers[i].request);
    }
}

/* ---- fetching them ---- */

static double fetch_ms(struct https *h, const struct buf *request, struct buf *keep)
{
    int64_t began = clock_now();

    https_send(h, request);
    https_receive(h, keep);
    return (double)(clock_now() - began) / 1e6;
}

static void compare(struct api *a, const struct floor_http *floor_server, const struct buf *request,
                    const char *what)
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
        &(struct figure){what, "ms", median(ours, rounds), median(floors, rounds), GOAL, LESS_IS_BETTER});
}

static void measure(struct api *a, enum api_format format)
{
    CLEANUP_BUF struct buf request = {0}, body = {0};
    struct floor_http floor_server;
    char what[64], pem[512];

    api_request(&request, a, format, "VM.get_all_records", 0, NULL);
    fetch_ms(&a->https, &request, &body);
    if (body.len < VMS * 1000)
        die("only %zu bytes of records", body.len);
    snprintf(what, sizeof what, "%d VM records, %s, %.0f MB", VMS, format == API_XML ? "XML" : "JSON",
             (double)body.len / 1e6);
    snprintf(pem, sizeof pem, "%s/tls/server.pem", a->target->state_dir);
    floor_http_start(&floor_server, a->target->address, pem, &body);
    compare(a, &floor_server, &request, what);
    floor_http_stop(&floor_server);
}

void bench_bulk(const struct target *t)
{
    struct api a;

    api_open(&a, t);
    make_vms(&a);
    measure(&a, API_XML);
    measure(&a, API_JSON);
    api_close(&a);
}
