#ifndef XAPID_HOST_HOST_AGENT_H
#define XAPID_HOST_HOST_AGENT_H
/*
 * Which agent acts for a host: this host's own, or that of a member which the coordinator is in contact
 * with. Never yields.
 *
 * Agents belong to whoever registers them and outlive the calls on them: one whose host has been lost fails
 * its calls. Yet what is registered may change at each wait, so that an operation that asks for the agent
 * anew afterwards hears HOST_OFFLINE instead of trying in vain.
 */
#include "pool/agent.h"
#include "xapid/server.h"

/* NULL with HOST_OFFLINE when nobody acts for the host now, with HANDLE_INVALID when there is no such host.
 */
struct agent *host_agent(struct xapid *x, struct ref host, struct err *e);

/* The agent of the host that a VM's guest is on. NULL also with HANDLE_INVALID, and with VM_BAD_POWER_STATE
 * when the VM has no guest. */
struct agent *vm_agent(struct xapid *x, struct ref vm, struct err *e);

/* Does anybody act for the host? */
bool host_is_reachable(struct xapid *x, struct ref host);

/* From now on `a` acts for a host that is not this one, in place of what did before; or nobody does. */
void host_agent_set(struct xapid *x, struct ref host, struct agent *a);
void host_agent_drop(struct xapid *x, struct ref host);

#endif
