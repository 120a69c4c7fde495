#include <errno.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/args.gen.h"
#include "xapid/handlers.gen.h"
#include "xapid/pool/shared_files.h"
#include "xapid/role/role.h"
#include "xapid/server.h"
#include "xapid/session/authenticate.h"
#include "xapid/session/local.h"
#include "xapid/session/session.h"
#include "xapid/subject/directory.h"
#include "xapid/subject/subject.h"

/* The subjects among whom the user is, alone or by a group; the user's own first. */
static const struct set *subjects_of(struct call *c, const struct directory_entry *d)
{
    const struct set *groups = directory_groups(c->mem, d), *subjects = NULL;
    const struct subject *own = subject_by_identifier(c->db, d->identifier);
    if (own)
        subjects = set_with_ref(c->mem, subjects, own->row.ref);
    for (uint32_t i = 0; i < set_count(groups); i++) {
        const struct subject *s = subject_by_identifier(c->db, groups->v[i].s);
        if (s)
            subjects = set_with_ref(c->mem, subjects, s->row.ref);
    }
    return subjects;
}

/* Someone whose password is right, but who has no rights here. */
static int co_refuse_stranger(struct call *c, const char *user, const char *why, struct err *e)
{
    log_warning("login of %s refused: %s", user, why);
    co_sleep_until(clock_in_ms(c->x->options.login_delay_ms), "the delay after a refused login");
    return err_session_authorization_failed(e, user, why);
}

/* The superuser is known by name in a password file, by number to the system. */
static bool is_superuser(struct call *c, const struct directory_entry *d)
{
    return directory_is_system(c->x) ? !d->is_group && d->id == 0 : strcmp(d->name, "root") == 0;
}

static int co_open_for(struct call *c, const char *user, const char *originator, struct ref *ret,
                       struct err *e)
{
    struct directory_entry d;
    struct session_new s = {.user = user, .sid = "", .originator = originator, .superuser = c->local_root};
    if (c->local_root)
        return session_open(c->x, &s, ret, e);
    int r = co_directory_by_name(c->x, user, &d);
    if (r < 0 && r != -ENOENT)
        return err_errno(e, r, "looking up %s", user);
    if (r == -ENOENT || d.is_group)
        return co_refuse_stranger(c, user, "The user is not known on this host", e);
    if ((s.superuser = is_superuser(c, &d)))
        return session_open(c->x, &s, ret, e);
    s.sid = d.identifier;
    s.subjects = subjects_of(c, &d);
    if (set_count(s.subjects) == 0)
        return co_refuse_stranger(c, user, "The user is no subject of this pool", e);
    if (subject_roles(c->db, s.subjects) == 0)
        return co_refuse_stranger(c, user, "The user has no role in this pool", e);
    return session_open(c->x, &s, ret, e);
}

int co_session_login(struct call *c, const char *user, const char *password, const char *originator,
                     union value *ret, struct err *e)
{
    if (co_authenticate(c, user, password, e) < 0)
        return -1;
    return co_open_for(c, user, originator, &ret->r, e);
}

int co_session_login_with_password(struct call *c, const struct session_login_with_password_args *a,
                                   union value *ret, struct err *e)
{
    return co_session_login(c, a->uname, a->pwd, a->originator, ret, e);
}

/* Nobody else acts on a single member. */
static int check_root(const char *user, struct err *e)
{
    return strcmp(user, "root") == 0 ? 0
                                     : err_session_authorization_failed(e, user, "Only root may log in here");
}

int co_session_login_here(struct call *c, const char *user, const char *password, union value *ret,
                          struct err *e)
{
    if (!c->local_root && (co_authenticate(c, user, password, e) < 0 || check_root(user, e) < 0))
        return -1;
    ret->r = local_session_open();
    return 0;
}

int co_session_slave_local_login_with_password(struct call *c,
                                               const struct session_slave_local_login_with_password_args *a,
                                               union value *ret, struct err *e)
{
    return c->x->membership.member ? co_session_login_here(c, a->uname, a->pwd, ret, e)
                                   : co_session_login(c, a->uname, a->pwd, "local", ret, e);
}

int co_session_change_password(struct call *c, const struct session_change_password_args *a, struct err *e)
{
    const struct session *s = db_session(c->db, c->session);
    const char *user = s ? s->auth_user_name : NULL;
    user = talloc_strdup(c->mem, user && *user ? user : "root");
    if (co_authenticate(c, user, a->old_pwd, e) < 0)
        return -1;
    if (co_set_password(c, user, a->new_pwd, e) < 0)
        return -1;
    co_shared_files_send_all(c->x);
    return 0;
}
