#include "xapid/storage/open.h"
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "pool/disk_remote.h"
#include "xapid/reftext.h"

void co_vdi_detach(const struct sr_handle *h, const char *location)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (h->driver->co_vdi_detach(&h->sm, location, &e) < 0)
        log_warning("detaching disk %s: %s", location, e.code);
    fiber_unmask_cancel();
}

int co_vdi_open_location(const struct sr_handle *sr, void *ctx, const char *location, unsigned flags,
                         struct open_vdi *ret, struct err *e)
{
    struct open_vdi o = {.sr = *sr, .location = location};
    const struct agent_place place = {.sr = sr->sm, .location = location};

    if (agent_is_remote(sr->agent)) {
        if (co_agent_disk_open(sr->agent, &place, flags, &o.disk, e) < 0)
            return -1;
        *ret = o;
        return 0;
    }
    if (sr->driver->co_vdi_attach(&sr->sm, ctx, location, flags & DISK_WRITE, &o.at, e) < 0)
        return -1;
    if (co_disk_open(&o.at, flags, &o.disk, e) < 0) {
        co_vdi_detach(sr, location);
        return -1;
    }
    *ret = o;
    return 0;
}

int co_vdi_open(struct xapid *x, void *ctx, struct ref ref, unsigned flags, struct open_vdi *ret,
                struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, ref);
    struct sr_handle sr;

    if (!vdi)
        return err_handle_invalid(e, "VDI", REF_TEXT(ref));
    const char *location = talloc_strdup(ctx, vdi->location);
    if (sr_open(x, ctx, vdi->SR, &sr, e) < 0)
        return -1;
    return co_vdi_open_location(&sr, ctx, location, flags, ret, e);
}

void co_vdi_close(struct open_vdi *o)
{
    if (!o->disk)
        return;
    co_disk_close(TAKE_PTR(o->disk));
    if (!agent_is_remote(o->sr.agent))
        co_vdi_detach(&o->sr, o->location);
}
