#ifndef POOL_DISK_REMOTE_H
#define POOL_DISK_REMOTE_H
/*
 * The bytes of a disk that only another host reaches: CONNECT /agent/bytes on the port of peers
 * (pool/peer.h), with the header xapid-disk, which names the disk as JSON, carries NBD to a server of the
 * disk (sm/disk.h) there. The disk is attached for as long as the connection lasts.
 */
#include "pool/agent.h"
#include "rpc/http.h"
#include "sm/disk.h"

#define DISK_BYTES_PATH "/agent/bytes"

/* Open it; a is another host's agent, flags as in sm/disk.h. Errors: HOST_OFFLINE, SR_BACKEND_FAILURE_nn.
 * When it has been closed, it is detached there, too. */
int co_agent_disk_open(struct agent *a, const struct agent_place *place, unsigned flags, struct disk **ret,
                       struct err *e);

/* The host's side; the caller has checked that a peer asks. */
void co_agent_serve_bytes(struct agent *a, struct http_request *r, struct http_stream *s);

#endif
