#ifndef XAPID_MANAGEMENT_H
#define XAPID_MANAGEMENT_H
/*
 * Through which interface this host is managed: STATE/management, lines of "key = value", written when an
 * interface is chosen. --address is the choice of a host for which none was made, and what is listened on
 * while the chosen interface has no address. Never yields; blocks for a moment.
 */
#include "lib/err.h"
#include "xapid/server.h"

/* The file; *ret is all zero when there is none. Errors: INTERNAL_ERROR for one that is not understood. */
int management_read(const char *state_dir, struct management *ret, struct err *e);

/* Replace it, at once and durably. */
int management_write(const char *state_dir, const struct management *m, struct err *e);

/* The choice of this interface, with the address that it has now. Errors: INTERFACE_HAS_NO_IP. */
int management_choose(const char *interface, struct management *ret, struct err *e);

/* Fill x->management, x->listening and x->address from the file and the options: the host is reached through
 * either even if the file is no use. */
void management_open(struct xapid *x);

#endif
