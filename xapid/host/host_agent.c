#include "xapid/host/host_agent.h"
#include <talloc.h>
#include "xapid/call.h"
#include "xapid/reftext.h"

struct member_agent {
    struct ref host;
    struct agent *agent;
};

/* A pool has few hosts: its members are searched one by one. */
static struct member_agent *find(struct xapid *x, struct ref host)
{
    for (unsigned i = 0; i < x->n_members; i++)
        if (ref_equal(x->members[i].host, host))
            return &x->members[i];
    return NULL;
}

static struct agent *agent_of(struct xapid *x, struct ref host)
{
    const struct member_agent *member = find(x, host);

    return ref_equal(host, x->host) ? x->agent : member ? member->agent : NULL;
}

bool host_is_reachable(struct xapid *x, struct ref host)
{
    return agent_of(x, host) != NULL;
}

struct agent *host_agent(struct xapid *x, struct ref host, struct err *e)
{
    struct agent *agent = agent_of(x, host);

    if (agent)
        return agent;
    if (db_host(x->db, host))
        err_host_offline(e, REF_TEXT(host));
    else
        err_handle_invalid(e, "host", REF_TEXT(host));
    return NULL;
}

struct agent *vm_agent(struct xapid *x, struct ref ref, struct err *e)
{
    const struct vm *vm = db_vm(x->db, ref);

    if (vm && !ref_is_null(vm->resident_on))
        return host_agent(x, vm->resident_on, e);
    if (vm)
        err_vm_bad_power_state(e, REF_TEXT(ref), "running", "halted");
    else
        err_handle_invalid(e, "VM", REF_TEXT(ref));
    return NULL;
}

void host_agent_set(struct xapid *x, struct ref host, struct agent *a)
{
    struct member_agent *member = find(x, host);

    if (!member) {
        x->members = talloc_realloc(NULL, x->members, struct member_agent, x->n_members + 1);
        member = &x->members[x->n_members++];
    }
    *member = (struct member_agent){host, a};
}

void host_agent_drop(struct xapid *x, struct ref host)
{
    struct member_agent *member = find(x, host);

    if (member)
        *member = x->members[--x->n_members];
}
