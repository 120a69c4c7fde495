#ifndef XAPID_POOL_LEADER_H
#define XAPID_POOL_LEADER_H
/*
 * The coordinator's side of the members' long connections (xapid/pool/frame.h): it takes a member in, sends
 * it the database as it grows, and hears its reports. A member that is silent for --silence-ms is not
 * live any more; nothing else changes about its guests.
 */
#include "rpc/http.h"
#include "xapid/server.h"

/* CONNECT /peer/feed. */
co_http_raw_handler co_leader_serve;

struct leader_follower {
    struct ref host;
    uint64_t sent, durable; /* generations: of the last batch sent, and of what it has on its disk */
    int64_t heard;          /* clock_now() of its last frame */
};

/* Visit the members that are connected. Never yields. */
void leader_foreach(void (*visit)(const struct leader_follower *f, void *arg), void *arg);

/* Is the member connected? */
bool leader_hears(struct ref host);

/* Wait until the member has the generation on its disk: 0, -ENOTCONN when it is not connected (any more),
 * -ETIMEDOUT or -ECANCELED. */
int co_leader_wait(struct ref host, uint64_t generation, int64_t deadline);

/* Wait until one member at least has the generation on its disk, so that what was decided outlives this host:
 * for half a second at most, and not at all when no member is connected. Not cancelled. */
void co_leader_share(uint64_t generation);

/* End a member's connection, for it is no member any more. Never yields. */
void leader_drop(struct ref host);

#endif
