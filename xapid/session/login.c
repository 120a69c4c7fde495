#include <errno.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "model/args.gen.h"
#include "xapid/handlers.gen.h"
#include "xapid/server.h"
#include "xapid/session/passwd.h"
#include "xapid/session/session.h"

static const char *passwd_path(struct call *c)
{
    return talloc_asprintf(c->mem, "%s/passwd", c->x->options.state_dir);
}

/* Wait a while so that guessing passwords is slow, then refuse. */
static int co_refuse(struct call *c, const char *user, struct err *e)
{
    log_warning("login of %s refused", user);
    co_sleep_until(clock_in_ms(c->x->options.login_delay_ms), "the delay after a failed login");
    return err_set(e, "SESSION_AUTHENTICATION_FAILED", 2, user, "The user name or the password is not right");
}

/* Is this user who they say? Whoever owns the unix socket is root already. */
static int co_authenticate(struct call *c, const char *user, const char *password, struct err *e)
{
    if (c->local_root)
        return 0;
    int r = co_passwd_check(passwd_path(c), user, password);
    if (r == -EACCES)
        return co_refuse(c, user, e);
    return r < 0 ? err_errno(e, r, "checking the password of %s", user) : 0;
}

int co_session_login(struct call *c, const char *user, const char *password, const char *originator,
                     union value *ret, struct err *e)
{
    if (co_authenticate(c, user, password, e) < 0)
        return -1;
    struct session_new s = {.user = user, .sid = "", .originator = originator, .superuser = true};
    return session_open(c->x, &s, &ret->r, e);
}

int co_session_login_with_password(struct call *c, const struct session_login_with_password_args *a,
                                   union value *ret, struct err *e)
{
    return co_session_login(c, a->uname, a->pwd, a->originator, ret, e);
}

int co_session_slave_local_login_with_password(struct call *c,
                                               const struct session_slave_local_login_with_password_args *a,
                                               union value *ret, struct err *e)
{
    return co_session_login(c, a->uname, a->pwd, "local", ret, e);
}

int co_session_change_password(struct call *c, const struct session_change_password_args *a, struct err *e)
{
    const struct session *s = db_session(c->db, c->session);
    const char *user = s ? s->auth_user_name : NULL;
    user = talloc_strdup(c->mem, user && *user ? user : "root");
    if (co_authenticate(c, user, a->old_pwd, e) < 0)
        return -1;
    int r = co_passwd_set(passwd_path(c), user, a->new_pwd);
    return r < 0 ? err_errno(e, r, "changing the password of %s", user) : 0;
}
