#ifndef XAPID_POOL_MANAGEMENT_H
#define XAPID_POOL_MANAGEMENT_H
/*
 * A host goes over to another interface: it listens there as well, writes the choice down
 * (xapid/management.h), tells the members if it is their coordinator, and starts anew in place, listening
 * there alone. Killed at any moment it is reached at one of the two addresses; members that were not told
 * are, once it looks around (change_role.h).
 */
#include "rpc/http.h"
#include "xapid/server.h"

/* This host. Its answers leave first. Errors: INTERFACE_HAS_NO_IP; INTERNAL_ERROR when nothing can listen
 * there, with nothing changed. */
int co_management_use(struct xapid *x, const char *interface, struct err *e);

/* A member, as its coordinator asks for it (POST /peer/manage). */
int co_management_tell(struct xapid *x, const char *address, const char *host_uuid, const char *interface,
                       struct err *e);
co_http_handler co_peer_manage_post;

#endif
