#include "xapid/implicit.h"
#include <stdlib.h>
#include <talloc.h>
#include "xapid/where.h"

/* ---- reading ---- */

/* The value of a field, derived sets straight from the index. */
static void write_field(struct enc *out, struct db *db, const struct row *row, const struct model_field *f)
{
    if (!f->derived) {
        enc_value(out, f->type, db_field(db, NULL, row, f));
        return;
    }
    enc_array_begin(out);
    const struct row *r = db_first_referrer(db, f->of_class, f->of_field, row->ref);
    for (; r; r = db_next_referrer(db, r, f->of_field, row->ref))
        enc_ref(out, r->ref);
    enc_array_end(out);
}

void implicit_write_record(struct enc *out, struct db *db, const struct row *row)
{
    const struct model_class *cls = &model_classes[row->cls];
    enc_struct_begin(out);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct model_field *f = &cls->fields[i];
        if (f->removed || f->internal)
            continue;
        enc_member(out, f->name);
        write_field(out, db, row, f);
    }
    enc_struct_end(out);
}

/* The row that the first parameter names. */
static const struct row *self_row(struct call *c, const struct wire *params, struct err *e)
{
    struct model_type type = {.kind = KIND_REF, .name = "ref", .cls = c->message->cls};
    union value v;
    if (wire_to_value(c->mem, &type, &params[0], "self", &v, e) < 0)
        return NULL;
    return call_row(c, c->message->cls, v.r, e);
}

static int get_field(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    const struct row *row = self_row(c, params, e);
    if (!row)
        return -1;
    write_field(out, c->db, row, &model_classes[c->message->cls].fields[c->message->field]);
    return 0;
}

static int get_record(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    const struct row *row = self_row(c, params, e);
    if (!row)
        return -1;
    implicit_write_record(out, c->db, row);
    return 0;
}

static void get_all(struct call *c, struct enc *out)
{
    enc_array_begin(out);
    DB_FOREACH (c->db, c->message->cls, row)
        enc_ref(out, row->ref);
    enc_array_end(out);
}

void implicit_write_records(struct enc *out, struct db *db, enum model_class_id cls,
                            bool (*wanted)(struct db *db, const struct row *row, const void *arg),
                            const void *arg)
{
    enc_struct_begin(out);
    DB_FOREACH (db, cls, row) {
        if (wanted && !wanted(db, row, arg))
            continue;
        enc_member_ref(out, row->ref);
        implicit_write_record(out, db, row);
    }
    enc_struct_end(out);
}

/* A parameter that must be text. */
static int text_param(struct call *c, const struct wire *param, const char *name, const char **ret,
                      struct err *e)
{
    union value v;
    if (wire_to_value(c->mem, &model_type_string, param, name, &v, e) < 0)
        return -1;
    *ret = v.s ? v.s : "";
    return 0;
}

static bool matches_where(struct db *db, const struct row *row, const void *arg)
{
    return where_matches(arg, db, row);
}

int implicit_get_all_records_where(struct call *c, const char *expr, struct enc *out, struct err *e)
{
    struct where *w;
    if (where_parse(c->mem, &model_classes[c->message->cls], expr, &w, e) < 0)
        return -1;
    implicit_write_records(out, c->db, c->message->cls, matches_where, w);
    return 0;
}

static int get_all_records_where(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    const char *expr;
    if (text_param(c, &params[0], "expr", &expr, e) < 0)
        return -1;
    return implicit_get_all_records_where(c, expr, out, e);
}

static int get_by_uuid(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    const char *uuid;
    if (text_param(c, &params[0], "uuid", &uuid, e) < 0)
        return -1;
    const struct row *row = db_get_by_uuid(c->db, c->message->cls, uuid);
    if (!row)
        return err_uuid_invalid(e, model_classes[c->message->cls].name, uuid);
    enc_ref(out, row->ref);
    return 0;
}

static int get_by_name_label(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    const char *name;
    if (text_param(c, &params[0], "label", &name, e) < 0)
        return -1;
    const struct set *refs = db_get_by_name_label(c->db, c->mem, c->message->cls, name);
    enc_array_begin(out);
    for (uint32_t i = 0; i < set_count(refs); i++)
        enc_ref(out, refs->v[i].r);
    enc_array_end(out);
    return 0;
}

/* ---- writing ---- */

/* Write one field of one row in a transaction of its own. */
static int write_value(struct call *c, const struct row *row, unsigned field, union value v, struct err *e)
{
    struct txn *t = db_begin(c->db);
    db_set(t, row, field, v);
    return db_commit(t, e);
}

/* A reference that is not null must lead to a row. */
static int check_ref(struct call *c, const struct model_type *type, union value v, struct err *e)
{
    if (type->kind == KIND_REF && !ref_is_null(v.r))
        return call_row(c, type->cls, v.r, e) ? 0 : -1;
    if (type->kind == KIND_SET && type->elem->kind == KIND_REF) {
        for (uint32_t i = 0; i < set_count(v.set); i++)
            if (check_ref(c, type->elem, v.set->v[i], e) < 0)
                return -1;
    }
    return 0;
}

static int set_field(struct call *c, const struct wire *params, struct err *e)
{
    const struct model_field *f = &model_classes[c->message->cls].fields[c->message->field];
    const struct row *row = self_row(c, params, e);
    union value v;
    if (!row || wire_to_value(c->mem, f->type, &params[1], f->name, &v, e) < 0 ||
        check_ref(c, f->type, v, e) < 0)
        return -1;
    return write_value(c, row, c->message->field, v, e);
}

static const struct map_entry *find_key(const struct model_type *key, const struct map *m, union value k)
{
    for (uint32_t i = 0; i < map_count(m); i++)
        if (value_equal(key, m->e[i].k, k))
            return &m->e[i];
    return NULL;
}

static int add_to_map(struct call *c, const struct wire *params, struct err *e)
{
    const struct model_class *cls = &model_classes[c->message->cls];
    const struct model_field *f = &cls->fields[c->message->field];
    const struct row *row = self_row(c, params, e);
    union value k, v;
    if (!row || wire_to_value(c->mem, f->type->key, &params[1], "key", &k, e) < 0 ||
        wire_to_value(c->mem, f->type->elem, &params[2], "value", &v, e) < 0)
        return -1;
    const struct map *old = db_field(c->db, c->mem, row, f).map;
    if (find_key(f->type->key, old, k)) {
        char ref[REF_TEXT_SIZE];
        ref_format(row->ref, ref);
        return err_map_duplicate_key(e, cls->name, f->name, ref, value_to_text(c->mem, f->type->key, k));
    }
    uint32_t n = map_count(old);
    struct map *m = talloc_zero_size(c->mem, sizeof *m + (n + 1) * sizeof m->e[0]);
    m->n = n + 1;
    if (n > 0)
        memcpy(m->e, old->e, n * sizeof m->e[0]);
    m->e[n] = (struct map_entry){.k = k, .v = v};
    map_sort(f->type, m);
    return write_value(c, row, c->message->field, (union value){.map = m}, e);
}

static int remove_from_map(struct call *c, const struct wire *params, struct err *e)
{
    const struct model_field *f = &model_classes[c->message->cls].fields[c->message->field];
    const struct row *row = self_row(c, params, e);
    union value k;
    if (!row || wire_to_value(c->mem, f->type->key, &params[1], "key", &k, e) < 0)
        return -1;
    const struct map *old = db_field(c->db, c->mem, row, f).map;
    const struct map_entry *entry = find_key(f->type->key, old, k);
    if (!entry)
        return 0;
    struct map *m = talloc_zero_size(c->mem, sizeof *m + old->n * sizeof m->e[0]);
    for (uint32_t i = 0; i < old->n; i++)
        if (&old->e[i] != entry)
            m->e[m->n++] = old->e[i];
    return write_value(c, row, c->message->field, (union value){.map = m}, e);
}

/* The set without v, with room for one more. */
static struct set *set_less(void *ctx, const struct model_type *elem, const struct set *old, union value v)
{
    struct set *s = talloc_zero_size(ctx, sizeof *s + (set_count(old) + 1) * sizeof s->v[0]);
    for (uint32_t i = 0; i < set_count(old); i++)
        if (!value_equal(elem, old->v[i], v))
            s->v[s->n++] = old->v[i];
    return s;
}

static int change_set(struct call *c, const struct wire *params, struct err *e)
{
    const struct model_field *f = &model_classes[c->message->cls].fields[c->message->field];
    const struct row *row = self_row(c, params, e);
    union value v;
    if (!row || wire_to_value(c->mem, f->type->elem, &params[1], "value", &v, e) < 0)
        return -1;
    bool add = c->message->verb == VERB_ADD_TO_SET;
    if (add && check_ref(c, f->type->elem, v, e) < 0)
        return -1;
    const struct set *old = db_field(c->db, c->mem, row, f).set;
    struct set *s = set_less(c->mem, f->type->elem, old, v);
    bool present = s->n < set_count(old);
    if (add == present)
        return 0;
    if (add)
        s->v[s->n++] = v;
    return write_value(c, row, c->message->field, (union value){.set = s}, e);
}

/* ---- creating and destroying ---- */

static bool is_constructor_field(const struct model_field *f)
{
    return f->access != ACCESS_RUNTIME && !f->removed && !f->internal && !f->derived;
}

/* The fields of a constructor's struct by index; absent ones get their defaults. */
static union value *constructor_fields(struct call *c, const struct wire *record, struct err *e)
{
    const struct model_class *cls = &model_classes[c->message->cls];
    if (record->kind != WIRE_STRUCT) {
        err_field_type_error(e, "args");
        return NULL;
    }
    union value *fields = talloc_zero_array(c->mem, union value, cls->n_fields);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct model_field *f = &cls->fields[i];
        fields[i] = f->initial;
        const struct wire *member = is_constructor_field(f) ? wire_member(record, f->name) : NULL;
        if (member && wire_to_value(c->mem, f->type, member, f->name, &fields[i], e) < 0)
            return NULL;
        if (!member && is_constructor_field(f) && !f->has_default) {
            err_internal(e, "the member %s of %s is missing", f->name, cls->name);
            return NULL;
        }
    }
    return fields;
}

/* Every reference in the fields that is not null must exist. */
static int check_refs(struct call *c, const union value *fields, struct err *e)
{
    const struct model_class *cls = &model_classes[c->message->cls];
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct model_field *f = &cls->fields[i];
        if (is_constructor_field(f) && check_ref(c, f->type, fields[i], e) < 0)
            return -1;
    }
    return 0;
}

static int create(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    const struct model_class *cls = &model_classes[c->message->cls];
    union value *fields = constructor_fields(c, &params[0], e);
    if (!fields || check_refs(c, fields, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct row *row = db_create(t, cls->id, REF_NULL);
    struct ref ref = row->ref;
    for (unsigned i = 0; i < cls->n_fields; i++)
        if (is_constructor_field(&cls->fields[i]))
            db_set(t, row, i, fields[i]);
    if (db_commit(t, e) < 0)
        return -1;
    enc_ref(out, ref);
    return 0;
}

static int destroy(struct call *c, const struct wire *params, struct err *e)
{
    const struct row *row = self_row(c, params, e);
    if (!row)
        return -1;
    struct txn *t = db_begin(c->db);
    db_delete(t, row);
    return db_commit(t, e);
}

/* The verbs that write and answer nothing. */
static int run_write(struct call *c, const struct wire *params, struct err *e)
{
    switch (c->message->verb) {
    case VERB_SET_FIELD:
        return set_field(c, params, e);
    case VERB_ADD_TO_MAP:
        return add_to_map(c, params, e);
    case VERB_REMOVE_FROM_MAP:
        return remove_from_map(c, params, e);
    case VERB_ADD_TO_SET:
    case VERB_REMOVE_FROM_SET:
        return change_set(c, params, e);
    case VERB_DESTROY:
        return destroy(c, params, e);
    default:
        return err_internal(e, "%s is not an implicit message", c->message->full_name);
    }
}

int implicit_run(struct call *c, const struct wire *params, struct enc *out, struct err *e)
{
    switch (c->message->verb) {
    case VERB_GET_FIELD:
        return get_field(c, params, out, e);
    case VERB_GET_RECORD:
        return get_record(c, params, out, e);
    case VERB_GET_ALL:
        get_all(c, out);
        return 0;
    case VERB_GET_ALL_RECORDS:
        implicit_write_records(out, c->db, c->message->cls, NULL, NULL);
        return 0;
    case VERB_GET_ALL_RECORDS_WHERE:
        return get_all_records_where(c, params, out, e);
    case VERB_GET_BY_UUID:
        return get_by_uuid(c, params, out, e);
    case VERB_GET_BY_NAME_LABEL:
        return get_by_name_label(c, params, out, e);
    case VERB_CREATE:
        return create(c, params, out, e);
    default:
        if (run_write(c, params, e) < 0)
            return -1;
        enc_void(out);
        return 0;
    }
}
