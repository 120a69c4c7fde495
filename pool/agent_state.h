#ifndef POOL_AGENT_STATE_H
#define POOL_AGENT_STATE_H
/* The agent's own state, shared by its files; private to this folder. */
#include "pool/agent.h"

struct agent {
    struct hv *hv;
    char *state_dir;
    bool user_networking;
};

/* Attach one disk; bring a NIC's network up and give it a tap, or user networking. Each describes it to the
 * hypervisor; what *ret points at is on mem. */
int co_agent_attach_disk(const struct agent_disk *d, void *mem, struct hv_disk *ret, struct err *e);

int co_agent_attach_nic(struct agent *a, const struct agent_nic *n, void *mem, struct hv_nic *ret,
                        struct err *e);

/* devices.c: finish or undo what was being changed of a guest's devices when a daemon died. */
int co_agent_settle_devices(struct agent *a, const char *vm_uuid, struct err *e);

#endif
