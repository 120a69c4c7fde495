#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "model/args.gen.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/implicit.h"
#include "xapid/message/message.h"

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* The class that a message is about. */
static const struct model_class *class_of(enum cls cls)
{
    return model_class_by_event_name(model_enum_cls.values[cls]);
}

int co_message_create(struct call *c, const struct message_create_args *a, union value *ret, struct err *e)
{
    const struct model_class *cls = class_of(a->cls);
    if (!*a->name)
        return err_invalid_value(e, "name", a->name);
    if (!cls || !db_get_by_uuid(c->db, cls->id, a->obj_uuid))
        return err_uuid_invalid(e, model_enum_cls.values[a->cls], a->obj_uuid);
    struct txn *t = db_begin(c->db);
    struct ref ref = message_post(t, a->name, a->priority, a->cls, a->obj_uuid, a->body);
    if (db_commit(t, e) < 0)
        return -1;
    ret->r = ref;
    return 0;
}

int co_message_destroy(struct call *c, const struct message_destroy_args *a, struct err *e)
{
    const struct row *row = call_row(c, CLASS_MESSAGE, a->self, e);
    if (!row)
        return -1;
    struct txn *t = db_begin(c->db);
    db_delete(t, row);
    return db_commit(t, e);
}

int co_message_destroy_many(struct call *c, const struct message_destroy_many_args *a, struct err *e)
{
    struct txn *t = db_begin(c->db);
    for (uint32_t i = 0; i < set_count(a->messages); i++) {
        const struct row *row = db_get(c->db, CLASS_MESSAGE, a->messages->v[i].r);
        if (row)
            db_delete(t, row);
    }
    return db_commit(t, e);
}

/* ---- destroy_all: every filter given must hold ---- */

struct filters {
    bool priority_given, since_given, before_given;
    int64_t priority, since, before;
    const char *cls, *name, *obj_uuid;
};

static int parse_date(const struct map *m, const char *key, bool *given, int64_t *ret, struct err *e)
{
    const char *text = map_get(m, key);
    *given = text != NULL;
    return text && !datetime_parse(text, ret) ? err_invalid_value(e, key, text) : 0;
}

static int parse_filters(void *ctx, const struct map *m, struct filters *ret, struct err *e)
{
    *ret = (struct filters){
        .cls = map_get(m, "cls"), .name = map_get(m, "name"), .obj_uuid = map_get(m, "obj_uuid")};
    const char *priority = map_get(m, "priority");
    union value v = {0};
    if (priority && !value_from_text(ctx, &model_type_int, priority, &v))
        return err_invalid_value(e, "priority", priority);
    ret->priority_given = priority != NULL;
    ret->priority = v.i;
    if (parse_date(m, "after", &ret->since_given, &ret->since, e) < 0)
        return -1;
    return parse_date(m, "before", &ret->before_given, &ret->before, e);
}

static bool passes(const struct filters *f, const struct message *m)
{
    return (!f->priority_given || m->priority == f->priority) &&
           (!f->since_given || m->timestamp > f->since) && (!f->before_given || m->timestamp < f->before) &&
           (!f->cls || strcasecmp(f->cls, model_enum_cls.values[m->cls]) == 0) &&
           (!f->name || strcmp(f->name, or_empty(m->name)) == 0) &&
           (!f->obj_uuid || strcmp(f->obj_uuid, or_empty(m->obj_uuid)) == 0);
}

int co_message_destroy_all(struct call *c, const struct message_destroy_all_args *a, struct err *e)
{
    struct filters f;
    if (parse_filters(c->mem, a->filters, &f, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct message *next;
    for (const struct message *m = (const struct message *)db_first(c->db, CLASS_MESSAGE); m; m = next) {
        next = message_next(m);
        if (passes(&f, m))
            db_delete(t, &m->row);
    }
    return db_commit(t, e);
}

/* ---- reading ---- */

int co_message_get_all(struct call *c, const struct message_get_all_args *a, union value *ret, struct err *e)
{
    struct set *s = talloc_zero_size(c->mem, sizeof *s + db_count(c->db, CLASS_MESSAGE) * sizeof s->v[0]);
    DB_FOREACH_MESSAGE (c->db, m)
        s->v[s->n++].r = m->row.ref;
    ret->set = s;
    return 0;
}

int co_message_get_all_records(struct call *c, const struct message_get_all_records_args *a, struct enc *out,
                               struct err *e)
{
    implicit_write_records(out, c->db, CLASS_MESSAGE, NULL, NULL);
    return 0;
}

int co_message_get_all_records_where(struct call *c, const struct message_get_all_records_where_args *a,
                                     struct enc *out, struct err *e)
{
    return implicit_get_all_records_where(c, a->expr, out, e);
}

int co_message_get_record(struct call *c, const struct message_get_record_args *a, struct enc *out,
                          struct err *e)
{
    const struct row *row = call_row(c, CLASS_MESSAGE, a->self, e);
    if (!row)
        return -1;
    implicit_write_record(out, c->db, row);
    return 0;
}

int co_message_get_by_uuid(struct call *c, const struct message_get_by_uuid_args *a, union value *ret,
                           struct err *e)
{
    const struct row *row = db_get_by_uuid(c->db, CLASS_MESSAGE, a->uuid);
    if (!row)
        return err_uuid_invalid(e, "message", a->uuid);
    ret->r = row->ref;
    return 0;
}

static bool is_of_object(struct db *db, const struct row *row, const void *arg)
{
    const struct message_get_args *a = arg;
    const struct message *m = (const struct message *)row;
    return m->timestamp >= a->since && m->cls == a->cls && strcmp(or_empty(m->obj_uuid), a->obj_uuid) == 0;
}

int co_message_get(struct call *c, const struct message_get_args *a, struct enc *out, struct err *e)
{
    const struct model_class *cls = class_of(a->cls);
    if (!cls || !db_get_by_uuid(c->db, cls->id, a->obj_uuid))
        return err_uuid_invalid(e, model_enum_cls.values[a->cls], a->obj_uuid);
    implicit_write_records(out, c->db, CLASS_MESSAGE, is_of_object, a);
    return 0;
}

static bool is_since(struct db *db, const struct row *row, const void *arg)
{
    const struct message_get_since_args *a = arg;
    return ((const struct message *)row)->timestamp >= a->since;
}

int co_message_get_since(struct call *c, const struct message_get_since_args *a, struct enc *out,
                         struct err *e)
{
    implicit_write_records(out, c->db, CLASS_MESSAGE, is_since, a);
    return 0;
}
