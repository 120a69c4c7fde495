#ifndef HV_QEMU_GUEST_AGENT_H
#define HV_QEMU_GUEST_AGENT_H
/*
 * The connection to a guest's agent: hv/qemu/agent_proto.h on a socket and a timer of the loop. Costs no
 * fiber, never yields. A guest that talks without end is read at a limited rate.
 */
#include "hv/qemu/agent_proto.h"

struct guest_agent;

struct guest_agent_handlers {
    void (*info)(const struct hv_guest_info *info, void *arg); /* there is news */
    void (*answered)(void *arg); /* the last order was, or a program has ended */
};

/* dir_fd: the guest's folder, which must stay open. nics are copied. Never fails: without a connection the
 * agent counts as absent. */
struct guest_agent *guest_agent_new(int dir_fd, const struct agent_nic_name *nics, unsigned n_nics,
                                    const struct guest_agent_handlers *handlers, void *arg);
void guest_agent_set_nics(struct guest_agent *a, const struct agent_nic_name *nics, unsigned n_nics);
void guest_agent_free(struct guest_agent *a);

/* QEMU says that the guest opened or closed its port. */
void guest_agent_set_open(struct guest_agent *a, bool open);

/* A stopped guest is not asked anything. */
void guest_agent_set_paused(struct guest_agent *a, bool paused);

/* Is there an agent that an order can be given to? */
bool guest_agent_is_there(const struct guest_agent *a);
void guest_agent_order(struct guest_agent *a, enum agent_order order);
void guest_agent_order_processors(struct guest_agent *a, unsigned online, unsigned present);
/* It has memory that came while it ran: have each agent that comes switch it on. */
void guest_agent_set_grown(struct guest_agent *a, bool grown);
bool guest_agent_refused(const struct guest_agent *a);
bool guest_agent_obeyed(const struct guest_agent *a); /* only orders that leave it alive */

/* Have it tell of itself now, unless it is at that. */
void guest_agent_ask(struct guest_agent *a);

/* Have it run a program, one at a time; answered is called once it has. guest_agent_result as
 * agent_exec_result, with the reason of a refusal; both until guest_agent_forget. */
void guest_agent_run(struct guest_agent *a, const struct hv_command *c);
bool guest_agent_ran(const struct guest_agent *a);
int guest_agent_result(const struct guest_agent *a, void *ctx, struct hv_command_result *ret);
const char *guest_agent_refusal(struct guest_agent *a);
void guest_agent_forget(struct guest_agent *a);

#endif
