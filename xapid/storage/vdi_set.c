/* The setters of a VDI. Its names and flags are only rows here; storage does not keep them. */
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/reftext.h"

int co_vdi_set_name_label(struct call *c, const struct vdi_set_name_label_args *a, struct err *e)
{
    return call_set_field(c, CLASS_VDI, a->self, VDI_F_NAME_LABEL, (union value){.s = a->value}, e);
}

int co_vdi_set_name_description(struct call *c, const struct vdi_set_name_description_args *a, struct err *e)
{
    return call_set_field(c, CLASS_VDI, a->self, VDI_F_NAME_DESCRIPTION, (union value){.s = a->value}, e);
}

int co_vdi_set_allow_caching(struct call *c, const struct vdi_set_allow_caching_args *a, struct err *e)
{
    return call_set_field(c, CLASS_VDI, a->self, VDI_F_ALLOW_CACHING, (union value){.b = a->value}, e);
}

/* Errors: VDI_IN_USE while a drive holds the disk. */
static int check_unused(struct call *c, struct ref vdi, const char *operation, struct err *e)
{
    FOREACH_REFERRER (c->db, vbd, vbd, VBD, VDI, vdi)
        if (vbd->currently_attached)
            return err_vdi_in_use(e, REF_TEXT(vdi), operation);
    return 0;
}

int co_vdi_set_sharable(struct call *c, const struct vdi_set_sharable_args *a, struct err *e)
{
    if (check_unused(c, a->self, "set_sharable", e) < 0)
        return -1;
    return call_set_field(c, CLASS_VDI, a->self, VDI_F_SHARABLE, (union value){.b = a->value}, e);
}

int co_vdi_set_read_only(struct call *c, const struct vdi_set_read_only_args *a, struct err *e)
{
    if (check_unused(c, a->self, "set_read_only", e) < 0)
        return -1;
    return call_set_field(c, CLASS_VDI, a->self, VDI_F_READ_ONLY, (union value){.b = a->value}, e);
}

int co_vdi_set_on_boot(struct call *c, const struct vdi_set_on_boot_args *a, struct err *e)
{
    const struct row *vdi = call_row(c, CLASS_VDI, a->self, e);

    if (!vdi || op_check(c->db, vdi, VDI_OPERATIONS_SET_ON_BOOT, e) < 0)
        return -1;
    return call_set_field(c, CLASS_VDI, a->self, VDI_F_ON_BOOT, (union value){.i = a->value}, e);
}
