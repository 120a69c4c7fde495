/* A guest that moves to another host, as each of the two hosts sees it. */
#include <talloc.h>
#include "lib/fiber.h"
#include "pool/agent_state.h"
#include "pool/attachments.h"

static int co_attach_and_receive(struct agent *a, const struct agent_vm_spec *spec, void *mem,
                                 const struct hv_passage *p, struct hv_reception *ret, struct err *e)
{
    struct hv_vm_spec vm;

    if (co_agent_attach_all(a, spec, mem, &vm, e) < 0)
        return -1;
    return a->hv->driver->co_receive(a->hv, &vm, p, ret, e);
}

int co_local_vm_receive(struct agent *a, const struct agent_vm_spec *spec, const struct hv_passage *p,
                        struct hv_reception *ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    int rc = attachments_note(a->state_dir, spec);

    if (rc < 0)
        return err_errno(e, rc, "%s/agent", a->state_dir);
    if (co_attach_and_receive(a, spec, mem, p, ret, e) == 0)
        return 0;
    co_agent_clean_failed(a, spec->vm.uuid);
    return -1;
}

int co_local_vm_shape(struct agent *a, const char *uuid, void *ctx, const char **ret, struct err *e)
{
    *ret = NULL;
    return a->hv->driver->co_shape ? a->hv->driver->co_shape(a->hv, uuid, ctx, ret, e) : 0;
}

int co_local_vm_move_switch(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_move_switch(a->hv, uuid, e);
}

int co_local_vm_move_accept(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_move_accept(a->hv, uuid, e);
}

int co_local_vm_move_prepare(struct agent *a, const char *uuid, const struct hv_passage *p,
                             hv_progress_fn *progress, void *arg, struct err *e)
{
    return a->hv->driver->co_move_prepare(a->hv, uuid, p, progress, arg, e);
}

int co_local_vm_move_finish(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_move_finish(a->hv, uuid, e);
}

int co_local_vm_move_drain(struct agent *a, const char *uuid, hv_progress_fn *progress, void *arg,
                           struct err *e)
{
    return a->hv->driver->co_move_drain(a->hv, uuid, progress, arg, e);
}

int co_local_vm_move_cancel(struct agent *a, const char *uuid, struct err *e)
{
    return a->hv->driver->co_move_cancel(a->hv, uuid, e);
}
