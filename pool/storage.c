/* Storage through the seam: the SR's driver is found and called. */
#include <talloc.h>
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/errors.gen.h"
#include "pool/agent_state.h"

static const struct sm_driver *driver_of(const struct sm_sr *sr, struct err *e)
{
    const struct sm_driver *d = sm_driver_by_type(sr->type);

    if (!d)
        err_sr_unknown_driver(e, sr->type);
    return d;
}

/* Call a function of the SR's driver, if it has one. */
#define CO_CALL(co_function, sr, e, ...)                                        \
    ({                                                                          \
        const struct sm_driver *driver_ = driver_of(sr, e);                     \
        !driver_                ? -1                                            \
        : !driver_->co_function ? err_sr_operation_not_supported(e, (sr)->uuid) \
                                : driver_->co_function(sr, __VA_ARGS__);        \
    })

int co_local_sr_create(struct agent *a, const struct sm_sr *sr, int64_t physical_size, struct err *e)
{
    return CO_CALL(co_sr_create, sr, e, physical_size, e);
}

int co_local_sr_attach(struct agent *a, const struct sm_sr *sr, struct err *e)
{
    return CO_CALL(co_sr_attach, sr, e, e);
}

int co_local_sr_detach(struct agent *a, const struct sm_sr *sr, struct err *e)
{
    return CO_CALL(co_sr_detach, sr, e, e);
}

int co_local_sr_destroy(struct agent *a, const struct sm_sr *sr, struct err *e)
{
    return CO_CALL(co_sr_destroy, sr, e, e);
}

int co_local_sr_stat(struct agent *a, const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e)
{
    return CO_CALL(co_sr_stat, sr, e, ret, e);
}

int co_local_sr_scan(struct agent *a, const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n,
                     struct err *e)
{
    return CO_CALL(co_sr_scan, sr, e, ctx, ret, ret_n, e);
}

int co_local_vdi_create(struct agent *a, const struct sm_sr *sr, void *ctx, const char *uuid, int64_t size,
                        const struct map *sm_config, struct sm_vdi *ret, struct err *e)
{
    return CO_CALL(co_vdi_create, sr, e, ctx, uuid, size, sm_config, ret, e);
}

int co_local_vdi_destroy(struct agent *a, const struct sm_sr *sr, const char *location, struct err *e)
{
    return CO_CALL(co_vdi_destroy, sr, e, location, e);
}

int co_local_vdi_clone(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                       const char *new_uuid, struct sm_vdi *ret, struct err *e)
{
    return CO_CALL(co_vdi_clone, sr, e, ctx, location, new_uuid, ret, e);
}

int co_local_vdi_snapshot(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                          const char *new_uuid, struct sm_vdi *ret, struct err *e)
{
    return CO_CALL(co_vdi_snapshot, sr, e, ctx, location, new_uuid, ret, e);
}

int co_local_vdi_revert(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        const char *snapshot, struct sm_vdi *ret, struct err *e)
{
    return CO_CALL(co_vdi_revert, sr, e, ctx, location, snapshot, ret, e);
}

int co_local_vdi_resize(struct agent *a, const struct sm_sr *sr, void *ctx, const char *location,
                        int64_t size, struct sm_vdi *ret, struct err *e)
{
    return CO_CALL(co_vdi_resize, sr, e, ctx, location, size, ret, e);
}

static void co_detach(const struct agent_place *p)
{
    CLEANUP_ERR struct err e = {0};

    fiber_mask_cancel();
    if (CO_CALL(co_vdi_detach, &p->sr, &e, p->location, &e) < 0)
        log_warning("detaching disk %s: %s", p->location, e.code);
    fiber_unmask_cancel();
}

int co_local_vdi_copy(struct agent *a, const struct agent_place *from, const struct agent_place *to,
                      struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sm_attachment source, target;

    if (CO_CALL(co_vdi_attach, &from->sr, e, mem, from->location, false, &source, e) < 0)
        return -1;
    int rc = CO_CALL(co_vdi_attach, &to->sr, e, mem, to->location, true, &target, e);
    if (rc == 0) {
        rc = co_sm_copy(&source, &target, e);
        co_detach(to);
    }
    co_detach(from);
    return rc;
}
