#include <string.h>
#include <talloc.h>
#include "model/args.gen.h"
#include "xapid/handlers.gen.h"
#include "xapid/session/local.h"
#include "xapid/session/session.h"

static int end_session(struct call *c, struct err *e)
{
    const struct session *s = db_session(c->db, c->session);
    if (!s)
        return 0;
    struct txn *t = db_begin(c->db);
    db_delete(t, &s->row);
    return db_commit(t, e);
}

int co_session_logout(struct call *c, const struct session_logout_args *a, struct err *e)
{
    return end_session(c, e);
}

int co_session_local_logout(struct call *c, const struct session_local_logout_args *a, struct err *e)
{
    local_session_close(c->session);
    return end_session(c, e);
}

static const char *sid_of(const struct session *s)
{
    return s->auth_user_sid ? s->auth_user_sid : "";
}

int co_session_logout_subject_identifier(struct call *c,
                                         const struct session_logout_subject_identifier_args *a,
                                         struct err *e)
{
    struct txn *t = db_begin(c->db);
    const struct session *next;
    for (const struct session *s = (const struct session *)db_first(c->db, CLASS_SESSION); s; s = next) {
        next = session_next(s);
        bool own = ref_equal(s->row.ref, c->session);
        if (*a->subject_identifier && strcmp(sid_of(s), a->subject_identifier) == 0 && !own)
            db_delete(t, &s->row);
    }
    return db_commit(t, e);
}

int co_session_get_all_subject_identifiers(struct call *c,
                                           const struct session_get_all_subject_identifiers_args *a,
                                           union value *ret, struct err *e)
{
    const struct set *sids = NULL;
    DB_FOREACH_SESSION (c->db, s)
        if (*sid_of(s) && !set_has_string(sids, sid_of(s)))
            sids = set_with_string(c->mem, sids, talloc_strdup(c->mem, sid_of(s)));
    ret->set = sids;
    return 0;
}
