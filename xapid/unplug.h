#ifndef XAPID_UNPLUG_H
#define XAPID_UNPLUG_H
/* Asking a guest to let go of a drive or a NIC, as VBD.unplug and VIF.unplug both do it. */
#include "pool/agent.h"
#include "xapid/call.h"

/* Which one; texts are the caller's and must stay. */
struct unplug {
    enum hv_device_kind kind;
    struct ref ref; /* of the VBD or VIF */
    struct ref vm;
    const char *vm_uuid, *device_uuid;
    unsigned number;
    bool force; /* take it from a guest that does not let go of it soon */
};

/* Errors: DEVICE_DETACH_TIMEOUT, DEVICE_DETACH_REJECTED. */
int co_unplug(struct call *c, const struct unplug *u, struct err *e);

/* Take back a plug that cannot be recorded, whatever becomes of the caller; a failure is logged. */
void co_unplug_again(struct call *c, const struct unplug *u);

#endif
