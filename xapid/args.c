#include "xapid/args.h"
#include <talloc.h>
#include "model/errors.gen.h"
#include "model/member.h"

/* One parameter, NULL when absent. */
static int decode(void *ctx, char *args, const struct model_param *p, const struct wire *w, struct err *e)
{
    union value v = {0};
    if (p->type->kind == KIND_RECORD) {
        *(const struct wire **)(args + p->offset) = w;
        return 0;
    }
    if (w) {
        if (wire_to_value(ctx, p->type, w, p->name, &v, e) < 0)
            return -1;
    } else if (p->required) {
        return err_internal(e, "the member %s is missing", p->name);
    } else if (p->default_text && !value_from_text(ctx, p->type, p->default_text, &v)) {
        return err_internal(e, "the default of %s is not of its type", p->name);
    }
    if (p->type->kind == KIND_STRING && !v.s)
        v.s = "";
    member_store(args + p->offset, p->type, v);
    return 0;
}

/* A constructor's members come in the record that is its only parameter. */
static int decode_members(void *ctx, char *args, const struct model_message *m, const struct wire *record,
                          struct err *e)
{
    if (record->kind != WIRE_STRUCT)
        return err_field_type_error(e, "args");
    for (unsigned i = 0; i < m->n_members; i++)
        if (decode(ctx, args, &m->members[i], wire_member(record, m->members[i].name), e) < 0)
            return -1;
    return 0;
}

void *args_decode(void *ctx, const struct model_message *m, const struct wire *params, uint32_t n,
                  struct err *e)
{
    char *args = talloc_zero_size(ctx, m->args_size ? m->args_size : 1);
    if (m->n_members > 0)
        return decode_members(ctx, args, m, &params[0], e) < 0 ? NULL : args;
    for (unsigned i = 0; i < m->n_params; i++)
        if (decode(ctx, args, &m->params[i], i < n ? &params[i] : NULL, e) < 0)
            return NULL;
    return args;
}
