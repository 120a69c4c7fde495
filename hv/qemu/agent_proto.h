#ifndef HV_QEMU_AGENT_PROTO_H
#define HV_QEMU_AGENT_PROTO_H
/*
 * The host's end of the QEMU guest agent's protocol, sans I/O: what it wants sent stands in `out`, what it
 * wants to be called for stands in `wake_at`. Never yields.
 *
 * After the guest opened its port: synchronise, ask for version, host name and system once, then for
 * addresses again and again: soon while there are none, every few seconds afterwards. All that a guest says
 * is bounded before it is kept: length of a line, nesting, numbers of addresses, length of each text.
 */
#include "hv/hv.h"
#include "hv/qemu/agent_exec.h"
#include "hv/qemu/json_lines.h"

/* What each MAC address of the guest belongs to. */
struct agent_nic_name {
    unsigned device;
    char mac[18];
};

enum agent_proto_state {
    AGENT_CLOSED,    /* the guest has not opened its port */
    AGENT_SYNCING,   /* a sync is sent */
    AGENT_ASKING,    /* a question of the round is sent */
    AGENT_IDLE,      /* until the next round */
    AGENT_EXECUTING, /* something for exec is sent */
    AGENT_ORDERING,  /* an order is sent; one to shut down is not answered when it succeeds */
};

enum agent_order { ORDER_NONE, ORDER_POWERDOWN, ORDER_REBOOT, ORDER_PROCESSORS, ORDER_MEMORY };

struct agent_proto {
    enum agent_proto_state state;
    struct json_lines in;
    struct buf out;
    int64_t wake_at; /* call agent_proto_wake then; CLOCK_NEVER: not at all */
    int64_t sync_id;
    unsigned question;
    unsigned quiet_rounds;    /* rounds without an address */
    bool introduced;          /* version, host name and system are known since the last sync */
    enum agent_order order;   /* wanted, not sent yet */
    enum agent_order obeying; /* the last that was sent */
    unsigned online, present; /* of ORDER_PROCESSORS */
    bool listed;              /* of ORDER_MEMORY: it has said what is there */
    bool grown;               /* ORDER_MEMORY once it is introduced */
    bool order_refused;       /* the last order sent was answered by an error, or done in part */
    bool order_done;          /* it was answered otherwise */
    const struct agent_nic_name *nics;
    unsigned n_nics;
    struct agent_exec exec;
    int64_t round_at; /* when the next begins */
    void *known_ctx;  /* owns what `known` points to */
    struct hv_guest_info known;
    void *round_ctx; /* what this round has learnt so far */
    struct hv_guest_info round;
    bool changed; /* `known` is news; the caller clears it */
};

/* nics stay the caller's and must outlive p. */
void agent_proto_init(struct agent_proto *p, const struct agent_nic_name *nics, unsigned n_nics);
void agent_proto_fini(struct agent_proto *p);

/* The guest opened or closed its end of the port. now: clock_now(). */
void agent_proto_opened(struct agent_proto *p, int64_t now);
void agent_proto_closed(struct agent_proto *p);

void agent_proto_feed(struct agent_proto *p, const char *bytes, size_t n, int64_t now);
void agent_proto_wake(struct agent_proto *p, int64_t now);

/* Has the agent answered the last sync? */
bool agent_proto_is_synced(const struct agent_proto *p);

/* Have the guest shut down or reboot, or switch all of its memory on; sent as soon as the question under way
 * is answered. ORDER_NONE takes back one that is not sent yet. */
void agent_proto_order(struct agent_proto *p, enum agent_order order, int64_t now);

/* Have it use the first `online` of the processors that are there and switch the others off. */
void agent_proto_order_processors(struct agent_proto *p, unsigned online, unsigned present, int64_t now);

/* Have it run a program; p->exec tells what became of it. NULL: what one said is no longer wanted. */
void agent_proto_run(struct agent_proto *p, const struct hv_command *c, int64_t now);

#endif
