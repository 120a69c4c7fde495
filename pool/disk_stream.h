#ifndef POOL_DISK_STREAM_H
#define POOL_DISK_STREAM_H
/*
 * What a disk holds, from one host to another: CONNECT /agent/disk?ticket=… on the port of peers
 * (pool/peer.h). The sender writes pieces of
 *     offset (8 bytes, little-endian), length (4), and as many bytes
 * in ascending order, each at most DISK_PIECE long; what lies between is zeros. One without bytes at the
 * disk's size is the end. The receiver then answers with {} or {"error": [code, parameter ...]} once all of
 * it is on its disk. A ticket is good once, for a minute (co_agent_vdi_await).
 */
#include "pool/agent.h"
#include "rpc/http.h"

#define DISK_STREAM_PATH "/agent/disk"

/* The caller has checked that a peer or a visitor asks; the ticket says for which disk. */
void co_agent_serve_disk(struct agent *a, struct http_request *r, struct http_stream *s);

#endif
