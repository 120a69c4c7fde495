#include <string.h>
#include <talloc.h>
#include "model/args.gen.h"
#include "xapid/call.h"
#include "xapid/handlers.gen.h"
#include "xapid/role/permission.h"
#include "xapid/role/role.h"
#include "xapid/session/session.h"
#include "xapid/subject/subject.h"

const struct subject *subject_by_identifier(struct db *db, const char *identifier)
{
    DB_FOREACH_SUBJECT (db, s)
        if (strcmp(s->subject_identifier ? s->subject_identifier : "", identifier) == 0)
            return s;
    return NULL;
}

unsigned subject_roles(struct db *db, const struct set *subjects)
{
    unsigned mask = 0;
    for (uint32_t i = 0; i < set_count(subjects); i++) {
        const struct subject *s = db_subject(db, subjects->v[i].r);
        mask |= s ? role_mask(db, s->roles) : 0;
    }
    return mask;
}

/* A new subject has no role: it may do nothing until it is given one. */
int co_subject_create(struct call *c, const struct subject_create_args *a, union value *ret, struct err *e)
{
    if (subject_by_identifier(c->db, a->subject_identifier))
        return err_subject_already_exists(e);
    struct txn *t = db_begin(c->db);
    const struct subject *s = subject_create(t);
    struct ref ref = s->row.ref;
    subject_set_subject_identifier(t, s, a->subject_identifier);
    subject_set_other_config(t, s, a->other_config);
    subject_set_roles(t, s, NULL);
    if (db_commit(t, e) < 0)
        return -1;
    ret->r = ref;
    return 0;
}

/* The sessions that it gave rights to end with it. */
int co_subject_destroy(struct call *c, const struct subject_destroy_args *a, struct err *e)
{
    const struct row *row = call_row(c, CLASS_SUBJECT, a->self, e);
    if (!row)
        return -1;
    struct txn *t = db_begin(c->db);
    const struct row *session;
    while ((session = db_first_referrer(c->db, CLASS_SESSION, SESSION_F_SUBJECTS, a->self)))
        db_delete(t, session);
    db_delete(t, row);
    return db_commit(t, e);
}

static int set_roles(struct call *c, const struct subject *s, const struct set *roles, struct err *e)
{
    struct txn *t = db_begin(c->db);
    subject_set_roles(t, s, roles);
    session_update_permissions(t, s->row.ref);
    return db_commit(t, e);
}

int co_subject_add_to_roles(struct call *c, const struct subject_add_to_roles_args *a, struct err *e)
{
    const struct subject *s = (const struct subject *)call_row(c, CLASS_SUBJECT, a->self, e);
    if (!s)
        return -1;
    if (!role_bit(a->role))
        return err_role_not_found(e);
    if (set_has_ref(s->roles, a->role))
        return err_role_already_exists(e);
    return set_roles(c, s, set_with_ref(c->mem, s->roles, a->role), e);
}

int co_subject_remove_from_roles(struct call *c, const struct subject_remove_from_roles_args *a,
                                 struct err *e)
{
    const struct subject *s = (const struct subject *)call_row(c, CLASS_SUBJECT, a->self, e);
    if (!s)
        return -1;
    if (!set_has_ref(s->roles, a->role))
        return err_role_not_found(e);
    return set_roles(c, s, set_without_ref(c->mem, s->roles, a->role), e);
}

int co_subject_get_permissions_name_label(struct call *c,
                                          const struct subject_get_permissions_name_label_args *a,
                                          union value *ret, struct err *e)
{
    const struct subject *s = (const struct subject *)call_row(c, CLASS_SUBJECT, a->self, e);
    if (!s)
        return -1;
    ret->set = role_permission_names(c->mem, role_mask(c->db, s->roles));
    return 0;
}
