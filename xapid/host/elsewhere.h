#ifndef XAPID_HOST_ELSEWHERE_H
#define XAPID_HOST_ELSEWHERE_H
/*
 * Downloads that a host makes of itself, when another host than the coordinator is meant: a member's clients
 * mean the member, others name one by host_id= (a reference or uuid). The coordinator lets the caller in and
 * keeps the task; the bytes are fetched from the host (GET /peer/<the same>).
 */
#include "rpc/client.h"
#include "xapid/transfer/transfer.h"

/* How a member names itself to the coordinator. */
#define HEADER_HOST "xapid-host"

/* Which host is meant. -1 with HANDLE_INVALID or UUID_INVALID. */
int elsewhere_host(struct transfer *t, struct ref *ret, struct err *e);

/* Send what that other host answers to the same request. Errors: HOST_OFFLINE, CANNOT_CONTACT_HOST. */
int co_elsewhere_send(struct transfer *t, struct ref host, const char *type, const char *file_name,
                      struct err *e);

/* Pass the request's body on to that other host, as PUT /peer/<the same>, which answers with nothing or with
 * what is wrong. Errors as above, and RESTORE_SCRIPT_FAILED with that text. */
int co_elsewhere_take(struct transfer *t, struct ref host, struct err *e);

#endif
