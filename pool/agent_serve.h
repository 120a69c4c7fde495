#ifndef POOL_AGENT_SERVE_H
#define POOL_AGENT_SERVE_H
/*
 * The side of the seam that is asked: this host's agent at work for another host of the pool. Whoever calls
 * these has checked that the request is from a host that may give orders (pool/peer.h).
 */
#include "pool/agent.h"
#include "rpc/http.h"

/* POST /agent/<operation> (pool/remote.h). Runs to its end, or is cancelled when the caller closes its side.
 */
void co_agent_serve(struct agent *a, struct http_request *r, struct http_reply *reply);

/* CONNECT /agent/console?uuid=UUID&kind=vnc|serial: the console until either side ends it. */
void co_agent_serve_console(struct agent *a, struct http_request *r, struct http_stream *s);

#endif
