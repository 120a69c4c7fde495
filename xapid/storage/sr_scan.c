/* SR.scan and SR.update: the rows as storage says. */
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/storage/sr.h"

int co_sr_scan(struct call *c, const struct sr_scan_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct sr_handle h;

    if (co_op_begin(c, CLASS_SR, a->sr, STORAGE_OPERATIONS_SCAN, &op, e) < 0 ||
        sr_open(c->x, c->mem, a->sr, &h, e) < 0)
        return -1;
    return co_sr_rescan(c->x, &h, e);
}

int co_sr_update(struct call *c, const struct sr_update_args *a, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct sr_handle h;

    if (co_op_begin(c, CLASS_SR, a->sr, STORAGE_OPERATIONS_UPDATE, &op, e) < 0 ||
        sr_open(c->x, c->mem, a->sr, &h, e) < 0)
        return -1;
    return co_sr_refresh(c->x, &h, e);
}
