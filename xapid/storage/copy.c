#include "xapid/storage/copy.h"
#include <string.h>
#include <talloc.h>
#include "xapid/reftext.h"

static void no_progress(double done, void *arg)
{
}

/* From the host that has one SR to the one that has the other. */
static int co_stream(struct xapid *x, void *mem, const struct sr_handle *source, const char *from,
                     const struct sr_handle *target, const char *to, struct err *e)
{
    const struct host *host = db_host(x->db, target->host);
    struct agent_target there = {.address = talloc_strdup(mem, text_of(host->address)), .port = x->port};

    memcpy(there.host, host->uuid, sizeof there.host);
    if (co_agent_vdi_await(target->agent, &(struct agent_place){target->sm, to}, mem, &there.ticket, e) < 0)
        return -1;
    return co_agent_vdi_send(source->agent, &(struct agent_place){source->sm, from}, &there, no_progress,
                             NULL, e);
}

int co_vdi_copy_data(struct xapid *x, struct ref from_sr, const char *from, struct ref to_sr, const char *to,
                     struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sr_handle source, target;

    if (sr_open_both(x, mem, from_sr, to_sr, &source, &target, e) < 0)
        return -1;
    if (!ref_equal(source.host, target.host))
        return co_stream(x, mem, &source, from, &target, to, e);
    return co_agent_vdi_copy(target.agent, &(struct agent_place){source.sm, from},
                             &(struct agent_place){target.sm, to}, e);
}

int co_vdi_make_copy(struct xapid *x, void *ctx, struct ref source, struct ref sr, struct undo *u,
                     struct sm_vdi *ret, struct err *e)
{
    const struct vdi *vdi = db_vdi(x->db, source);
    struct vdi_making_args how = {.how = VDI_MAKE_NEW};
    struct sr_handle h;

    if (!vdi)
        return err_handle_invalid(e, "VDI", REF_TEXT(source));
    how.size = vdi->virtual_size;
    struct ref from_sr = vdi->SR;
    const char *location = talloc_strdup(ctx, vdi->location);
    if (sr_open(x, ctx, sr, &h, e) < 0 || co_vdi_make(x, &h, ctx, &how, u, ret, e) < 0)
        return -1;
    return co_vdi_copy_data(x, from_sr, location, sr, ret->location, e);
}
