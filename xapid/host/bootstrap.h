#ifndef XAPID_HOST_BOOTSTRAP_H
#define XAPID_HOST_BOOTSTRAP_H
/*
 * The rows that a host has before anybody has called, and putting right what a crash left: see bootstrap.c
 * for the order. What is done for this host at its start is done for a member when it has come, or come back:
 * host_refresh_rows, co_host_attach_storage, co_host_adopt, once its agent is registered
 * (xapid/host/host_agent.h).
 */
#include "pool/agent_types.h"
#include "xapid/host/machine_facts.h"
#include "xapid/server.h"

/* Make what is missing, bring the rest up to date with x->facts, set x->host (unless it names a host already)
 * and x->pool, take over the guests that are alive. Called once, when the agent is open and before anything
 * is served. */
int co_host_bootstrap(struct xapid *x, struct err *e);

/* What this host's agent reports of guests (a hv_report_fn); arg is the struct xapid. Never yields. */
void host_on_report(const struct hv_report *r, void *arg);

/* ---- a host of the pool ---- */

/* The row of a host that is new. */
const struct host *host_row_create(struct txn *t, const struct host_machine_facts *f);

/* Bring all that is known of a host up to date: its own rows, its management interface, made on the pool's
 * management network where there is none. It counts as live, and nothing as attached yet. */
void host_refresh_rows(struct txn *t, struct ref host, const struct host_machine_facts *f);

/* The part of that which may change while the host is live: its address and the certificate that its clients
 * see. */
void host_describe_rows(struct txn *t, struct ref host, const struct host_machine_facts *f);

/* Attach the SRs of the host's PBDs, look at what they hold, and settle disks that were being made or
 * removed. One that cannot be attached now is shown as such and leaves the rest alone. */
void co_host_attach_storage(struct xapid *x, struct ref host);

/* Guests of a host that are alive. A talloc context of its own. */
struct host_guests {
    struct agent_guest *v;
    unsigned n;
    uint64_t as_of; /* the database's generation when they were listed; 0: no operation can have been at work
                       since */
};
void host_guests_add(struct host_guests *g, const char *uuid, const struct hv_vm_facts *f);

/* Take these over as all the guests that the host has: VMs that were there and have none become halted;
 * guests that stand for no VM, or for one that is up on another host, are ended; a guest that was on its way
 * is where its VM is recorded to be (xapid/vm/move.c). A VM that an operation is at work on, or was since
 * they were listed, is left to that. Reorders g. Not in a transaction. */
int co_host_adopt(struct xapid *x, struct ref host, struct host_guests *g, struct err *e);

/* ---- the parts; each in a file of its name, all inside the caller's transaction ---- */

/* The host, its metrics, processors and control domain. */
void host_rows(struct txn *t, const struct host *host, const struct host_machine_facts *f);

/* Which host this daemon serves: x->host, else the pool's coordinator; null when there is no host yet. */
struct ref pool_own_host(struct xapid *x);

/* What the processors of all hosts have in common, for the pool's row. */
void pool_level_processors(struct txn *t);

/* x->pool, led by this host. */
void pool_rows(struct txn *t, struct xapid *x);

/* The other hosts are not live until they are heard. */
void absent_rows(struct txn *t, struct xapid *x);

/* Networks of a new pool, and the host's management interface. */
void network_rows(struct txn *t, struct ref host, const struct host_machine_facts *f);

/* SM rows, and the SRs that the host of a new pool starts with. state_dir is absolute. */
void storage_rows(struct txn *t, struct xapid *x, const char *state_dir);

/* Nothing of the host is attached until it has been attached anew. */
void storage_detached(struct txn *t, struct ref host);

/* The default templates of a new pool; that of the demo guest whenever its files are there. */
void template_rows(struct txn *t, struct xapid *x, const char *state_dir);

/* Drop what belongs to rows that are not there. */
void repair_rows(struct txn *t);

#endif
