#ifndef RPC_SPLICE_H
#define RPC_SPLICE_H
/*
 * Copying between a connection and a descriptor, for servers and clients of streams.
 */
#include "lib/buf.h"
#include "rpc/transport.h"

/* Both ways between t (what was read from it already is in `in`) and fd (a socket or pty, made non-blocking)
 * until one side ends (0), nothing moved for idle_ms (-ETIMEDOUT; 0: never) or either failed. */
int co_splice(struct transport *t, struct buf *in, int fd, int64_t idle_ms);

#endif
