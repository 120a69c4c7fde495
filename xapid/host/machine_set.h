#ifndef XAPID_HOST_MACHINE_SET_H
#define XAPID_HOST_MACHINE_SET_H
/*
 * Settings of hosts' machines, made by the agents of those hosts and recorded afterwards.
 */
#include "pool/agent.h"
#include "xapid/server.h"

/* Have the agent of a host make a setting of one key. HANDLE_INVALID, HOST_OFFLINE, and the agent's. */
int co_machine_set_one(struct xapid *x, struct ref host, enum agent_setting what, const char *key,
                       const char *value, struct err *e);

/* SSH of the pool's hosts is switched off in time, and this host's row says how its machine is set. */
void ssh_watch_start(struct xapid *x);

#endif
