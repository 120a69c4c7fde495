#ifndef XAPID_VM_CROSSING_TALK_H
#define XAPID_VM_CROSSING_TALK_H
/*
 * What the coordinators of two pools say to each other while a VM moves from one to the other
 * (xapid/vm/crossing.h): on one connection, CONNECT /crossing, JSON objects each after its length (4 bytes,
 * little-endian). The source asks, {"do": "disk", ...}; the destination answers {"result": {...}} or
 * {"error": [code, parameter ...]}.
 */
#include <jansson.h>
#include "lib/err.h"
#include "rpc/client.h"
#include "rpc/http.h"

/* Either side that is cut off is given up after so long: the guest may stand still meanwhile. */
#define TALK_SILENCE_MS 10000

struct talk {
    struct client_stream *asking; /* one of the two */
    struct http_stream *answering;
    bool broken; /* the connection is of no use any more: what the last answer would have been is not known */
};

/* The next object: a new reference, or NULL. */
json_t *co_talk_hear(struct talk *t, int64_t deadline, struct err *e);

/* Takes j. 0 or -1. */
int co_talk_say(struct talk *t, json_t *j, struct err *e);

/* Ask, and wait for the answer: a new reference to its result; NULL with the error that it is, or with
 * t->broken. Takes the question. */
json_t *co_talk_ask(struct talk *t, json_t *question, int64_t deadline, struct err *e);

#endif
