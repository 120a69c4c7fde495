#ifndef XAPID_PLAIN_PORT_H
#define XAPID_PLAIN_PORT_H
/*
 * The plain HTTP port: there when --http-port says so and the host is not https_only. Never yields.
 */
#include "xapid/server.h"

/* Serve on x->sockets.http, if it is there. Errors: INTERNAL_ERROR. */
int plain_port_open(struct xapid *x, struct err *e);

/* End it; the socket stays. */
void plain_port_close(struct xapid *x);

/* Make it fit https_only, which has changed. Errors: INTERNAL_ERROR with the address. */
int plain_port_fit(struct xapid *x, struct err *e);

/* The same on a member whose copy of the record may have changed; a failure is logged. */
void plain_port_follow(struct xapid *x);

#endif
