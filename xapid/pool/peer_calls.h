#ifndef XAPID_POOL_PEER_CALLS_H
#define XAPID_POOL_PEER_CALLS_H
/*
 * What the daemons of a pool ask of each other beside the feed and the agents' work, as JSON over HTTP
 * between peers: GET /peer/place and /peer/machine, POST /peer/follow, /peer/lead and /peer/leave.
 */
#include <jansson.h>
#include "rpc/http.h"
#include "xapid/host/machine_facts.h"
#include "xapid/server.h"

/* Where a host stands. */
struct peer_place {
    bool member;
    char coordinator[MEMBERSHIP_ADDRESS_SIZE]; /* its address; "" when not known */
    uint64_t term;
};

/* Errors of all: INTERNAL_ERROR when the host cannot be reached, else what it answered;
 * HOST_UNKNOWN_TO_MASTER [this host] when it is one of a pool that has gone on without this host. host_uuid
 * NULL: any host of the pool. */
int co_peer_ask_place(struct xapid *x, const char *address, struct peer_place *ret, struct err *e);

/* What a host says of its machine now; texts on mem. */
int co_peer_ask_machine(struct xapid *x, const char *address, const char *host_uuid, void *mem,
                        struct host_machine_facts *ret, struct err *e);

/* Let a host follow the coordinator at `coordinator` in this term. */
int co_peer_tell_follow(struct xapid *x, const char *address, const char *host_uuid, const char *coordinator,
                        uint64_t term, struct err *e);

/* Let a member lead the pool; the term that it begins. */
int co_peer_tell_lead(struct xapid *x, const char *address, const char *host_uuid, uint64_t *ret_term,
                      struct err *e);

/* Let a member become a pool of its own. */
int co_peer_tell_leave(struct xapid *x, const char *address, const char *host_uuid, struct err *e);

/* POST for what other files of this folder ask: the reply's object, or NULL with e; the "error" that it names
 * is one. Takes body. */
json_t *co_peer_demand(struct xapid *x, const char *address, const char *host_uuid, const char *target,
                       json_t *body, struct err *e);

/* The other side of that: done, which is taken, is the answer unless something went wrong. Never yields. */
void peer_answer(struct http_reply *reply, json_t *done, const struct err *e);

/* The serving side, for the routes. */
co_http_handler co_peer_place_get;
co_http_handler co_peer_machine_get;
co_http_handler co_peer_follow_post;
co_http_handler co_peer_lead_post;
co_http_handler co_peer_leave_post;

#endif
