#include "xapid/session/session.h"
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/role/permission.h"
#include "xapid/role/role.h"
#include "xapid/session/local.h"
#include "xapid/subject/subject.h"

enum { DAY = 24 * 3600, REFRESH = 600 };
enum { LIMIT_ORIGINATOR = 500, LIMIT_USER = 500, LIMIT_ANONYMOUS = 400, LIMIT_POOL = 400 };
/* Of all kinds: originators are names that clients choose. */
enum { LIMIT_ALL = 5000 };

bool session_exists(struct db *db, struct ref session)
{
    return db_get(db, CLASS_SESSION, session) != NULL;
}

unsigned session_roles(struct db *db, const struct session *s)
{
    if (s->is_local_superuser || s->pool)
        return ROLE_ALL;
    return subject_roles(db, s->subjects);
}

/* The superuser's are not listed: there is nothing that is not among them. */
static void set_permissions(struct txn *t, const struct session *s)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    if (!s->is_local_superuser && !s->pool)
        session_set_rbac_permissions(t, s, role_permission_names(ctx, session_roles(txn_db(t), s)));
}

void session_update_permissions(struct txn *t, struct ref subject)
{
    struct db *db = txn_db(t);
    const struct row *row = db_first_referrer(db, CLASS_SESSION, SESSION_F_SUBJECTS, subject);
    for (; row; row = db_next_referrer(db, row, SESSION_F_SUBJECTS, subject))
        set_permissions(t, (const struct session *)row);
}

/* Note that the session is in use; rarely, since each note is a change. */
static void refresh(struct db *db, const struct session *s)
{
    int64_t now = clock_wall();
    if (now - s->last_active < REFRESH)
        return;
    CLEANUP_ERR struct err ignored = {0};
    struct txn *t = db_begin(db);
    session_set_last_active(t, s, now);
    (void)db_commit(t, &ignored);
}

int session_check(struct call *c, const char *text, struct err *e)
{
    struct ref ref;
    if (c->local_root && !*text) {
        c->roles = ROLE_ALL;
        return 0;
    }
    bool is_ref = ref_parse(text, &ref);
    if (is_ref && local_session_exists(ref)) {
        c->session = ref;
        c->roles = ROLE_ALL;
        return 0;
    }
    const struct session *s = is_ref ? db_session(c->db, ref) : NULL;
    if (!s)
        return err_session_invalid(e, text);
    if (!c->x->membership.member) /* whose copy is the coordinator's to change */
        refresh(c->db, s);
    c->session = ref;
    c->roles = session_roles(c->db, s);
    return 0;
}

/* ---- limits ---- */

/* Do the two count against the same limit? Returns that limit, or 0. */
static unsigned shared_limit(const struct session *s, const struct session_new *n)
{
    const char *originator = s->originator ? s->originator : "",
               *user = s->auth_user_name ? s->auth_user_name : "";
    if (s->pool || n->pool)
        return s->pool && n->pool ? LIMIT_POOL : 0;
    if (*n->originator)
        return strcmp(originator, n->originator) == 0 ? LIMIT_ORIGINATOR : 0;
    if (*originator)
        return 0;
    if (n->superuser)
        return s->is_local_superuser ? LIMIT_ANONYMOUS : 0;
    return strcmp(user, n->user) == 0 ? LIMIT_USER : 0;
}

/* A session with a pending task is in use however long ago it called. */
static bool has_pending_task(struct db *db, const struct session *s)
{
    const struct row *task = db_first_referrer(db, CLASS_TASK, TASK_F_SESSION, s->row.ref);
    for (; task; task = db_next_referrer(db, task, TASK_F_SESSION, s->row.ref))
        if (((const struct task *)task)->status == TASK_STATUS_TYPE_PENDING)
            return true;
    return false;
}

/* Sessions that count against one limit. */
struct crowd {
    unsigned count, limit;
    const struct session *oldest; /* that may be ended */
};

static void add_to_crowd(struct db *db, struct crowd *crowd, const struct session *s)
{
    crowd->count++;
    if ((!crowd->oldest || s->last_active < crowd->oldest->last_active) && !has_pending_task(db, s))
        crowd->oldest = s;
}

static bool is_too_many(const struct crowd *crowd)
{
    return crowd->count >= crowd->limit && crowd->oldest;
}

/* Make room for one more: end the longest unused session of the same kind, or of any, when there are too
 * many. */
static void evict(struct db *db, struct txn *t, const struct session_new *n)
{
    struct crowd like = {0}, all = {.limit = LIMIT_ALL};
    DB_FOREACH_SESSION (db, s) {
        unsigned shared = shared_limit(s, n);
        if (shared) {
            like.limit = shared;
            add_to_crowd(db, &like, s);
        }
        if (!s->pool)
            add_to_crowd(db, &all, s);
    }
    if (is_too_many(&like))
        db_delete(t, &like.oldest->row);
    else if (is_too_many(&all))
        db_delete(t, &all.oldest->row);
}

static void fill(struct xapid *x, struct txn *t, const struct session *row, const struct session_new *s)
{
    int64_t now = clock_wall();
    session_set_this_host(t, row, x->host);
    session_set_last_active(t, row, now);
    session_set_validation_time(t, row, now);
    session_set_pool(t, row, s->pool);
    session_set_is_local_superuser(t, row, s->superuser);
    session_set_subject(t, row, set_count(s->subjects) > 0 ? s->subjects->v[0].r : REF_NULL);
    session_set_subjects(t, row, s->subjects);
    set_permissions(t, row);
    session_set_auth_user_sid(t, row, s->sid);
    session_set_auth_user_name(t, row, s->user);
    session_set_originator(t, row, s->originator);
}

int session_open(struct xapid *x, const struct session_new *s, struct ref *ret, struct err *e)
{
    struct txn *t = db_begin(x->db);
    evict(x->db, t, s);
    const struct session *row = session_create(t);
    struct ref ref = row->row.ref;
    fill(x, t, row, s);
    if (db_commit(t, e) < 0)
        return -1;
    *ret = ref;
    return 0;
}

void session_expire(struct xapid *x, int64_t now)
{
    CLEANUP_ERR struct err ignored = {0};
    struct txn *t = db_begin(x->db);
    const struct session *next;
    for (const struct session *s = (const struct session *)db_first(x->db, CLASS_SESSION); s; s = next) {
        next = session_next(s);
        if (now - s->last_active > DAY && !has_pending_task(x->db, s))
            db_delete(t, &s->row);
    }
    (void)db_commit(t, &ignored);
}
