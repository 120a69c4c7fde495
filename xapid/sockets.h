#ifndef XAPID_SOCKETS_H
#define XAPID_SOCKETS_H
/*
 * The sockets the daemon listens on. They are its own, not the servers', so that they can stay open while one
 * process ends and the next begins (xapid/handover.h): who connects meanwhile waits. What came from the
 * process before, or from a socket unit, is used where it has the address that is wanted; the rest is opened.
 */
#include <stdint.h>
#include "lib/err.h"
#include "xapid/server.h"

/* Fills x->sockets and x->port. Errors: INTERNAL_ERROR with the address. Never yields. */
int sockets_open(struct xapid *x, struct err *e);

/* Listen on this address as well, and leave that to the next process, which is to listen on nothing else:
 * what was listened on so far still is, as long as this process lives. Errors: INTERNAL_ERROR with the
 * address. */
int sockets_move(struct xapid *x, const char *address, struct err *e);

/* The plain HTTP port's alone, if the options ask for one; after it was closed. */
int sockets_open_http(struct xapid *x, struct err *e);
void sockets_close_http(struct xapid *x);

/* The port of a socket. */
uint16_t sockets_port(int fd);

/* Close them, for nobody will go on with them; the local one's file is removed unless systemd keeps the
 * socket.
 */
void sockets_close(struct xapid *x);

#endif
