#include "xapid/unplug.h"
#include <string.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

#define PATIENCE_MS 30000 /* guests that boot, or have no driver, do not answer at all */
#define FORCE_MS 5000     /* for a guest that does to put its disk in order */

int co_unplug(struct call *c, const struct unplug *u, struct err *e)
{
    const char *kind = u->kind == HV_DEVICE_NIC ? "VIF" : "VBD";
    CLEANUP_ERR struct err failure = {0};

    struct agent *agent = vm_agent(c->x, u->vm, e);

    if (!agent)
        return -1;
    if (co_agent_unplug(agent, u->vm_uuid, u->kind, u->device_uuid, u->number, u->force,
                        clock_in_ms(u->force ? FORCE_MS : PATIENCE_MS), &failure) == 0)
        return 0;
    if (err_is(&failure, "DEVICE_DETACH_TIMEOUT"))
        return err_device_detach_timeout(e, kind, REF_TEXT(u->ref));
    if (err_is(&failure, "DEVICE_DETACH_REJECTED"))
        return err_device_detach_rejected(e, kind, REF_TEXT(u->ref), "the guest does not let go of it");
    err_move(e, &failure);
    return -1;
}

void co_unplug_again(struct call *c, const struct unplug *u)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (co_unplug(c, u, &e) < 0)
        log_warning("taking back a device of VM %s: %s", u->vm_uuid, err_text(c->mem, &e));
    fiber_unmask_cancel();
}
