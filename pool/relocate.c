/* A disk of a guest that goes to other storage of its host. Its copy is noted first, so that whatever happens
 * both are given back in the end, and whoever asks is told that there are two. */
#include <errno.h>
#include "lib/fiber.h"
#include "pool/agent_state.h"
#include "pool/attachments.h"

static int co_attach_and_mirror(struct agent *a, const char *uuid, const struct agent_disk *copy,
                                hv_progress_fn *progress, void *arg, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv_disk disk;

    return co_agent_attach_disk(copy, mem, &disk, e) < 0
               ? -1
               : a->hv->driver->co_mirror_disk(a->hv, uuid, &disk, progress, arg, e);
}

int co_local_vm_mirror_disk(struct agent *a, const char *uuid, const struct agent_disk *copy,
                            hv_progress_fn *progress, void *arg, struct err *e)
{
    int r = attachments_note_copy(a->state_dir, uuid, copy);

    if (r < 0)
        return err_errno(e, r, "the note of guest %s", uuid);
    return co_attach_and_mirror(a, uuid, copy, progress, arg, e);
}

static bool is_copying(struct agent *a, const char *uuid, const struct agent_disk *disk)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    unsigned n;
    const struct attachment *noted = attachments_read(mem, a->state_dir, uuid, &n);

    for (unsigned i = 0; i < n; i++)
        if (noted[i].copying && noted[i].kind == HV_DEVICE_DISK && noted[i].number == disk->userdevice)
            return true;
    return false;
}

static int co_settle(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct hv_disk chosen;

    if (co_agent_attach_disk(disk, mem, &chosen, e) < 0 ||
        a->hv->driver->co_settle_disk(a->hv, uuid, &chosen, e) < 0)
        return -1;
    return co_attachments_settle_copy(a->state_dir, uuid, disk, e);
}

int co_local_vm_settle_disk(struct agent *a, const char *uuid, const struct agent_disk *disk, struct err *e)
{
    int rc;

    if (!is_copying(a, uuid, disk))
        return 0;
    fiber_mask_cancel();
    rc = co_settle(a, uuid, disk, e);
    fiber_unmask_cancel();
    return rc;
}
