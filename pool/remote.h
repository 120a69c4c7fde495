#ifndef POOL_REMOTE_H
#define POOL_REMOTE_H
/*
 * The agent of another host, asked over the network: POST /agent/<operation> with the arguments as JSON
 * (pool/operations.h, pool/codec.h), answered with status 200 and
 *     {"error": [code, parameter, ...], "result": {...}}
 * where error is left out when it succeeded. How far a long operation is comes in interim replies (status
 * 102) with the header xapid-progress, in percent. Consoles: CONNECT /agent/console?uuid=...&kind=...
 * Private to this folder; agent_remote_new is in pool/agent.h.
 */
#include "pool/operations.h"

#define AGENT_PREFIX "/agent/"
#define AGENT_CONSOLE "/agent/console"
#define AGENT_PROGRESS "xapid-progress"

int co_remote_do(struct remote *r, const struct agent_operation *op, const struct agent_call *call,
                 struct err *e);

/* A descriptor of a socket pair whose other end a fiber carries to the guest's console; or -errno. */
int co_remote_console(struct remote *r, const char *vm_uuid, const char *kind);

/* A stream that the other host answers with status 200; or -errno: -EHOSTUNREACH, -ENOENT, -EPROTO. */
struct client_stream;
int co_remote_stream(struct remote *r, const char *target, const char *headers, struct client_stream **ret);

/* Its reference, as errors name it. */
const char *remote_host(const struct remote *r);

void remote_free(struct remote *r);

#endif
