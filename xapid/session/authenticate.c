#include "xapid/session/authenticate.h"
#include <errno.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/server.h"
#include "xapid/session/backoff.h"
#include "xapid/session/pam.h"
#include "xapid/session/passwd.h"
#include "xapid/subject/directory.h"

enum { MAX_PASSWORD = 1024 };

struct pam_job {
    const char *dir, *user, *password, *address;
};

static int pam_check_job(void *arg)
{
    const struct pam_job *j = arg;
    return pam_check(j->dir, j->user, j->password, j->address);
}

static int pam_set_job(void *arg)
{
    const struct pam_job *j = arg;
    return pam_set(j->dir, j->user, j->password);
}

static const char *passwd_path(struct call *c)
{
    return talloc_asprintf(c->mem, "%s/passwd", c->x->options.state_dir);
}

/* Wait a while so that guessing passwords is slow, then refuse. */
static int co_refuse(struct call *c, const char *user, struct err *e)
{
    log_warning("login of %s from %s refused", user, *c->address ? c->address : "this host");
    co_sleep_until(clock_in_ms(c->x->options.login_delay_ms), "the delay after a failed login");
    return err_set(e, "SESSION_AUTHENTICATION_FAILED", 2, user, "The user name or the password is not right");
}

/* 0, -EACCES or -errno. */
static int co_check(struct call *c, const char *user, const char *password)
{
    if (!*user || !*password || strlen(user) >= DIRECTORY_TEXT || strlen(password) > MAX_PASSWORD)
        return -EACCES;
    if (!directory_is_system(c->x))
        return co_passwd_check(passwd_path(c), user, password);
    struct pam_job j = {c->x->options.pam_dir, user, password, c->address};
    return co_passwd_worker(pam_check_job, &j);
}

int co_authenticate(struct call *c, const char *user, const char *password, struct err *e)
{
    int unit_ms = c->x->options.login_delay_ms;
    struct backoff_attempt attempt;
    if (c->local_root)
        return 0;
    int r = co_backoff_begin(&attempt, c->address, user, unit_ms);
    if (r == -EBUSY)
        return err_set(e, "SESSION_AUTHENTICATION_FAILED", 2, user, "Too many logins from this address");
    if (r < 0)
        return err_errno(e, r, "waiting to log in");
    r = co_check(c, user, password);
    backoff_end(&attempt, r < 0, unit_ms);
    if (r == -EACCES)
        return co_refuse(c, user, e);
    return r < 0 ? err_errno(e, r, "checking the password of %s", user) : 0;
}

int co_set_password(struct call *c, const char *user, const char *password, struct err *e)
{
    int r;
    if (!*password || strlen(password) > MAX_PASSWORD)
        return err_set(e, "CHANGE_PASSWORD_REJECTED", 1, "The password is empty or too long");
    if (directory_is_system(c->x)) {
        struct pam_job j = {c->x->options.pam_dir, user, password, ""};
        r = co_passwd_worker(pam_set_job, &j);
    } else {
        r = co_passwd_set(passwd_path(c), user, password);
    }
    if (r == -EACCES)
        return err_set(e, "CHANGE_PASSWORD_REJECTED", 1, "The password was refused");
    return r < 0 ? err_errno(e, r, "changing the password of %s", user) : 0;
}
