#ifndef XAPID_ROUTES_H
#define XAPID_ROUTES_H
#include "rpc/http.h"

/* Every path that the server answers (protocol.md sections 1 and 8), for http_server_new; arg is the struct
 * xapid. */
extern const struct http_route routes[];

/* The same of a host that is a member of a pool: what is not its own to answer goes to the coordinator. */
extern const struct http_route member_routes[];

#endif
