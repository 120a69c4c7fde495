#ifndef RPC_CLIENT_CONNECT_H
#define RPC_CLIENT_CONNECT_H
/*
 * Connections for the client: names looked up on a worker, each address tried in turn, TLS on top.
 */
#include "rpc/client.h"
#include "rpc/transport.h"

/* 0 with *ret connected; or -errno (-ENOENT: the name has no address; -EPROTO: TLS failed; -EKEYREJECTED: the
 * server's certificate is not believed, *ret_distrust says why). session may be NULL. */
int co_client_connect(const struct rpc_client_options *o, SSL_SESSION *session, int64_t deadline,
                      struct transport *ret, const char **ret_distrust);

#endif
