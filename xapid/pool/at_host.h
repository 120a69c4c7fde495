#ifndef XAPID_POOL_AT_HOST_H
#define XAPID_POOL_AT_HOST_H
/*
 * Messages whose object is a machine: its kernel's log, its clock, its programs. The coordinator passes those
 * on to the daemon of the host that is meant (POST /peer/call), which answers them without looking at who
 * asks, for the coordinator has.
 */
#include "rpc/http.h"
#include "xapid/request.h"

/* A checked request whose work is another host's. Never yields. */
bool at_host_wants(const struct request *q);

/* Let the host do it, and write the result. Errors: its own; HOST_OFFLINE when it is not connected,
 * CANNOT_CONTACT_HOST when contact was lost meanwhile. */
int co_at_host_run(const struct request *q, struct enc *out, struct err *e);

/* The same for part of a message's work: a method with these parameters, the host first; the result is on the
 * call's memory. */
int co_at_host_ask(struct call *c, struct ref host, const char *method, const struct wire *params, uint32_t n,
                   struct wire *ret, struct err *e);

/* A method with the host alone as its parameter and no result. */
int co_at_host_call(struct call *c, struct ref host, const char *method, struct err *e);

/* Is this such a request, as it comes in at the host? */
bool at_host_is_asked(struct xapid *x, const struct http_request *r);

#endif
