#ifndef TESTS_BENCH_EVENTS_H
#define TESTS_BENCH_EVENTS_H
/* A client that waits for events of one object, on a connection of its own. */
#include "tests/bench/api.h"

struct events {
    struct api api;
    char *class; /* "VM/OpaqueRef:…" */
    char *token;
};

/* Connect, and read what there is already. */
void events_open(struct events *w, const struct target *t, const char *class, const char *ref);
void events_close(struct events *w);

/* Ask for what comes next; a call of `other` is made and answered meanwhile, so that the server is waiting
 * when this returns. */
void events_ask(struct events *w, struct api *other);

/* The answer to that; to free(). */
char *events_answer(struct events *w);

#endif
