#ifndef XAPID_REQUEST_H
#define XAPID_REQUEST_H
/*
 * One RPC request on its way: parsed, checked, run, answered. Lives on a talloc context of its own, which is
 * the request's (or, for Async, the task's).
 */
#include "rpc/encode.h"
#include "rpc/request.h"
#include "xapid/call.h"

struct request {
    struct rpc_request rpc;
    struct call call;
    const char *name; /* of the message, without Async. */
    bool async;
    bool forwarded;            /* the coordinator answers (xapid/pool/forward.h) */
    int64_t started;           /* clock_now() when it came */
    void *args;                /* a handler's argument struct; NULL for the interpreter */
    const struct wire *params; /* those after the session */
    uint32_t n_params;
    const char *audit; /* what the audit log will say (xapid/audit/audit.h); NULL: nothing */
};

/* Everything between the parse and the run: message, argument count, session, role, arguments. q->rpc,
 * q->call.x, q->call.mem and q->call.local_root are set. Errors as in protocol.md section 4. Never yields. */
int request_check(struct request *q, struct err *e);

/* May the run wait? (Then it needs a fiber.) After request_check. */
bool request_may_wait(const struct request *q);

/* Run it and write the result as a value; for one that may not wait. What it wrote is to be dropped when it
 * fails. Never yields. */
int request_run_now(struct request *q, struct enc *out, struct err *e);

/* The same for any request, in a fiber. */
int co_request_run(struct request *q, struct enc *out, struct err *e);

#endif
