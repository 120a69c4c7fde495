#ifndef HV_QEMU_AGENT_EXEC_H
#define HV_QEMU_AGENT_EXEC_H
/*
 * A program that a guest's agent runs: guest-exec, then guest-exec-status until it has ended. Sans I/O, a
 * part of hv/qemu/agent_proto.h, which says when something may be sent. Never yields.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "hv/hv.h"
#include "lib/buf.h"

enum agent_exec_state {
    EXEC_NONE,
    EXEC_WANTED,  /* the request is to be sent */
    EXEC_SENT,    /* and has been */
    EXEC_RUNNING, /* asked again and again */
    EXEC_ENDED    /* with an outcome or a refusal */
};

struct agent_exec {
    enum agent_exec_state state;
    struct buf request;
    int64_t pid, ask_at;
    unsigned asked;
    json_t *outcome;    /* the last guest-exec-status; NULL: refusal says why there is none */
    struct buf refusal; /* in the agent's words */
};

/* Nothing is run and nothing kept; what the guest runs goes on. */
void agent_exec_forget(struct agent_exec *x);

void agent_exec_begin(struct agent_exec *x, const struct hv_command *c);

/* Is there something to be sent now? And when will there be (CLOCK_NEVER: not before something happens)? */
bool agent_exec_is_due(const struct agent_exec *x, int64_t now);
int64_t agent_exec_next(const struct agent_exec *x);
void agent_exec_send(struct agent_exec *x, struct buf *out);

/* The agent has answered what was sent. */
void agent_exec_take(struct agent_exec *x, const json_t *message, int64_t now);

/* What was sent will not be answered; gone: nor will anything else be. */
void agent_exec_lose(struct agent_exec *x, bool gone, int64_t now);

/* The result of one that has ended, on ctx; 0, or -EREMOTEIO: refusal says why. */
int agent_exec_result(const struct agent_exec *x, void *ctx, struct hv_command_result *ret);

#endif
