#ifndef XAPID_POOL_MEMBER_HOST_H
#define XAPID_POOL_MEMBER_HOST_H
/*
 * A member's host as its coordinator keeps it: taken in with its greeting, its rows brought up to date, its
 * agent at work for the pool, its storage attached, its guests put right; and what is left of it when it is
 * not heard any more.
 */
#include "xapid/host/bootstrap.h"
#include "xapid/pool/hello.h"
#include "xapid/server.h"

/* May the host take part? Its reference, or -1 with HOST_UNKNOWN_TO_MASTER or
 * HOST_XAPI_VERSION_HIGHER_THAN_COORDINATOR. Never yields. */
int member_host_check(struct xapid *x, const char *uuid, const struct hello *hello, struct ref *ret,
                      struct err *e);

/* It is connected: its rows now, the rest in a fiber. Never yields. */
void member_host_welcome(struct xapid *x, struct ref host, const struct hello *hello);

/* It is not heard any more. Never yields. */
void member_host_gone(struct xapid *x, struct ref host);

/* What one of its guests did, as the tables of pool/agent_types.h have it. Never yields. */
int member_host_report(struct xapid *x, struct ref host, const char *bytes, size_t n, struct err *e);

/* What its machine is has changed, as xapid/pool/hello.h has it. Never yields. */
int member_host_facts(struct xapid *x, struct ref host, const char *bytes, size_t n, struct err *e);

/* On the member: take over the guests that are alive. */
int co_member_adopt(struct xapid *x, struct err *e);

/* On each host: POST /agent/… and CONNECT /agent/console, for the coordinator; CONNECT /agent/disk, for hosts
 * of this pool and visitors. */
co_http_handler co_member_agent_post;
co_http_raw_handler co_member_agent_console;
co_http_raw_handler co_member_agent_disk, co_member_agent_bytes;

#endif
