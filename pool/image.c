#include "pool/image.h"
#include <string.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "pool/attachments.h"

static void co_release(const struct image *i)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (co_attachments_release(i->state_dir, i->vdi_uuid, &e) < 0)
        log_warning("detaching the memory image %s: %s", i->vdi_uuid, e.code);
    fiber_unmask_cancel();
}

static int note(const struct image *i, const struct agent_image *disk, struct err *e)
{
    struct agent_disk d = {.sr = disk->sr, .location = disk->location};
    struct agent_vm_spec spec = {.n_disks = 1, .disks = &d};
    int rc;

    memcpy(spec.vm.uuid, i->vdi_uuid, sizeof spec.vm.uuid);
    memcpy(d.vbd_uuid, i->vdi_uuid, sizeof d.vbd_uuid);
    rc = attachments_note(i->state_dir, &spec);
    return rc < 0 ? err_errno(e, rc, "note of the memory image %s", i->vdi_uuid) : 0;
}

static int co_attach(const struct agent_image *disk, void *mem, bool write, struct sm_attachment *ret,
                     struct err *e)
{
    const struct sm_driver *driver = sm_driver_by_type(disk->sr.type);

    if (!driver)
        return err_set(e, "SR_UNKNOWN_DRIVER", 1, disk->sr.type);
    return driver->co_vdi_attach(&disk->sr, mem, disk->location, write, ret, e);
}

int co_image_open(const char *state_dir, const struct agent_image *disk, enum sm_stream_way way,
                  struct image *ret, int *ret_fd, struct err *e)
{
    bool write = way != SM_STREAM_READ;
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sm_attachment at;

    *ret = (struct image){.state_dir = state_dir};
    memcpy(ret->vdi_uuid, disk->vdi_uuid, sizeof ret->vdi_uuid);
    if (note(ret, disk, e) < 0)
        return -1;
    if (co_attach(disk, mem, write, &at, e) == 0 && co_sm_stream_open(&at, way, &ret->stream, ret_fd, e) == 0)
        return 0;
    co_release(ret);
    return -1;
}

int co_image_finish(struct image *i, struct err *e)
{
    int rc = co_sm_stream_finish(i->stream, e);

    co_release(i);
    return rc;
}

void co_image_abandon(struct image *i, struct err *e)
{
    co_sm_stream_abandon(i->stream, e);
    co_release(i);
}
