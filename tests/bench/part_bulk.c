/* All records of ten thousand VMs, against a server that writes the same bytes from memory. */
#include <stdio.h>
#include <stdlib.h>
#include "tests/bench/api.h"
#include "tests/bench/large_reply.h"
#include "tests/bench/load.h"

#define VMS 10000
#define MAKERS 32
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

static void measure(struct api *a, enum api_format format)
{
    CLEANUP_BUF struct buf request = {0};
    char what[64];

    snprintf(what, sizeof what, "%d VM records", VMS);
    api_request(&request, a, format, "VM.get_all_records", 0, NULL);
    large_reply_report(a, &request, format, what, VMS * 1000, GOAL);
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
