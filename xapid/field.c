#include "xapid/field.h"
#include "xapid/reftext.h"

int call_set_field(struct call *c, enum model_class_id cls, struct ref ref, unsigned field, union value v,
                   struct err *e)
{
    const struct row *row = call_row(c, cls, ref, e);

    if (!row)
        return -1;
    struct txn *t = db_begin(c->db);
    db_set(t, row, field, v);
    return db_commit(t, e);
}

union value value_at(const struct model_type *type, const void *at)
{
    switch (type->kind) {
    case KIND_STRING:
        return (union value){.s = *(const char *const *)at};
    case KIND_INT:
    case KIND_DATETIME:
        return (union value){.i = *(const int64_t *)at};
    case KIND_ENUM:
        return (union value){.i = *(const unsigned *)at};
    case KIND_FLOAT:
        return (union value){.f = *(const double *)at};
    case KIND_BOOL:
        return (union value){.b = *(const bool *)at};
    case KIND_REF:
        return (union value){.r = *(const struct ref *)at};
    case KIND_SET:
        return (union value){.set = *(const struct set *const *)at};
    case KIND_MAP:
        return (union value){.map = *(const struct map *const *)at};
    case KIND_VOID:
    case KIND_RECORD:
    case KIND_OPTION:
        break;
    }
    return (union value){0};
}

void call_set_members(struct call *c, struct txn *t, const struct row *row, const void *args)
{
    const struct model_class *cls = &model_classes[c->message->cls];

    for (unsigned i = 0; i < c->message->n_members; i++) {
        const struct model_param *m = &c->message->members[i];
        const struct model_field *f = model_field_by_name(cls, m->name);
        if (f)
            db_set(t, row, (unsigned)(f - cls->fields), value_at(m->type, (const char *)args + m->offset));
    }
}

int call_change_map(struct call *c, enum model_class_id cls, struct ref ref, unsigned field, const char *key,
                    const char *text, struct err *e)
{
    const struct row *row = call_row(c, cls, ref, e);

    if (!row)
        return -1;
    const struct map *old = db_field(c->db, c->mem, row, &model_classes[cls].fields[field]).map;
    const struct map *map = text ? map_with(c->mem, old, key, text) : map_without(c->mem, old, key);
    return call_set_field(c, cls, ref, field, (union value){.map = map}, e);
}
