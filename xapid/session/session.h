#ifndef XAPID_SESSION_SESSION_H
#define XAPID_SESSION_SESSION_H
/*
 * Sessions: rows of class session, in memory only. A session's reference is its secret, so the class makes no
 * events and is not listed; its uuid is not secret.
 */
#include "xapid/call.h"
#include "xapid/server.h"

/* The session that a client names: fills c->session and c->roles, and notes now and then that it is in use.
 * Over the unix socket an empty text stands for the local root. Errors: SESSION_INVALID [text]. Never yields.
 */
int session_check(struct call *c, const char *text, struct err *e);

struct session_new {
    const char *user;       /* auth_user_name */
    const char *sid;        /* auth_user_sid; "" for the local superuser */
    const char *originator; /* may be "" */
    bool superuser;
    bool pool;                  /* of another host of the pool */
    const struct set *subjects; /* that give it its roles, the user's own first */
};

/* Make a session, ending the longest unused one beyond the limits: 500 an originator, 500 a user and 400
 * superusers without originator, 400 of the pool's hosts (protocol.md section 6), 5,000 others in all. Never
 * yields. */
int session_open(struct xapid *x, const struct session_new *s, struct ref *ret, struct err *e);

/* Check a user's password and make a session. Errors: SESSION_AUTHENTICATION_FAILED [user, text], after a
 * delay. */
int co_session_login(struct call *c, const char *user, const char *password, const char *originator,
                     union value *ret, struct err *e);

/* The same at a member, by its own passwords: root gets a session that is good here alone
 * (xapid/session/local.h). */
int co_session_login_here(struct call *c, const char *user, const char *password, union value *ret,
                          struct err *e);

/* Is there (still) such a session? */
bool session_exists(struct db *db, struct ref session);

/* The roles that its subjects have now, or every role for a local superuser. */
unsigned session_roles(struct db *db, const struct session *s);

/* Make rbac_permissions of a subject's sessions fit its roles, which t has changed. */
void session_update_permissions(struct txn *t, struct ref subject);

/* End what nobody has used for a day. Called from the daemon's housekeeping. Never yields. */
void session_expire(struct xapid *x, int64_t now);

#endif
