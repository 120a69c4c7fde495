/* Writes that are durable when they are answered, each client on a VM of its own, against SQLite alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/api.h"
#include "tests/bench/floor_sqlite.h"
#include "tests/bench/load.h"

#define ROUNDS 9
#define SECONDS 0.5
#define CLIENTS 64
#define GOAL 0.8

struct writer {
    struct api *api;
    char *vm;
    struct buf request;
    char text[64]; /* written last */
};

static const struct buf *write_next(struct load_client *c, unsigned long sent)
{
    struct writer *w = c->arg;

    snprintf(w->text, sizeof w->text, "description number %lu", sent);
    buf_reset(&w->request);
    api_request(&w->request, w->api, API_XML, "VM.set_name_description", PARAMS(w->vm, w->text));
    return &w->request;
}

static void check_written(struct api *a, const struct writer *w)
{
    CLEANUP_FREE char *text = api_call_text(a, "VM.get_name_description", PARAMS(w->vm));

    if (strcmp(text, w->text) != 0)
        die("wrote \"%s\", but there is \"%s\"", w->text, text);
}

/* The two take turns, since the machine may have other work; the medians count. */
static void compare(struct api *a, struct load_client *clients, unsigned n, struct floor_sqlite *alone,
                    unsigned group, double goal, const char *what)
{
    static double ours[MOST_ROUNDS], floors[MOST_ROUNDS];
    unsigned rounds = bench_rounds(ROUNDS);

    for (unsigned i = 0; i < rounds; i++) {
        floors[i] = floor_sqlite_run(alone, group, SECONDS);
        ours[i] = load_run(clients, n, SECONDS);
        check_written(a, clients[n - 1].arg);
    }
    report_figure(
        &(struct figure){what, "/s", median(ours, rounds), median(floors, rounds), goal, MORE_IS_BETTER});
}

void bench_writes(const struct target *t)
{
    static struct load_client clients[CLIENTS];
    static struct writer writers[CLIENTS];
    struct floor_sqlite alone;
    struct api a;

    api_open(&a, t);
    for (unsigned i = 0; i < CLIENTS; i++) {
        writers[i] = (struct writer){.api = &a, .vm = api_make_vm(&a, "writes")};
        clients[i] = (struct load_client){.next = write_next, .arg = &writers[i]};
        https_open(&clients[i].https, t->address, t->port);
    }
    floor_sqlite_open(&alone, t->state_dir);
    compare(&a, clients, 1, &alone, 1, 0, "durable writes, 1 client; SQLite row by row");
    compare(&a, clients, CLIENTS, &alone, 1, GOAL, "durable writes, 64 clients; SQLite row by row");
    compare(&a, clients, CLIENTS, &alone, CLIENTS, 0, "durable writes, 64 clients; SQLite 64 rows");
    floor_sqlite_close(&alone);
    for (unsigned i = 0; i < CLIENTS; i++) {
        https_close(&clients[i].https);
        buf_free(&writers[i].request);
        free(writers[i].vm);
    }
    api_close(&a);
}
