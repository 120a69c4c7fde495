/* The setters of an SR, and questions about SRs that need no storage. */
#include <talloc.h>
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"

int co_sr_set_name_label(struct call *c, const struct sr_set_name_label_args *a, struct err *e)
{
    return call_set_field(c, CLASS_SR, a->sr, SR_F_NAME_LABEL, (union value){.s = a->value}, e);
}

int co_sr_set_name_description(struct call *c, const struct sr_set_name_description_args *a, struct err *e)
{
    return call_set_field(c, CLASS_SR, a->sr, SR_F_NAME_DESCRIPTION, (union value){.s = a->value}, e);
}

int co_sr_set_physical_size(struct call *c, const struct sr_set_physical_size_args *a, struct err *e)
{
    return call_set_field(c, CLASS_SR, a->self, SR_F_PHYSICAL_SIZE, (union value){.i = a->value}, e);
}

/* An SR that several hosts hold must stay shared. */
int co_sr_set_shared(struct call *c, const struct sr_set_shared_args *a, struct err *e)
{
    const struct set *pbds = db_referrers(c->db, c->mem, CLASS_PBD, PBD_F_SR, a->sr);

    if (!a->value && set_count(pbds) > 1)
        return err_sr_has_multiple_pbds(e, REF_TEXT(pbds->v[0].r));
    return call_set_field(c, CLASS_SR, a->sr, SR_F_SHARED, (union value){.b = a->value}, e);
}

int co_sr_get_supported_types(struct call *c, const struct sr_get_supported_types_args *a, union value *ret,
                              struct err *e)
{
    struct set *types = NULL;

    for (const struct sm_driver *const *d = sm_drivers; *d; d++)
        types = set_with_string(c->mem, types, (*d)->type);
    ret->set = types;
    return 0;
}
