#include "xapid/http_auth.h"
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "xapid/role/permission.h"
#include "xapid/role/role.h"
#include "xapid/server.h"
#include "xapid/session/local.h"
#include "xapid/session/session.h"

enum { MAX_BASIC = 4096 };

/* "user:password" of an authorization header; NULL when there is none that can be read. */
static char *basic_credentials(struct http_request *r)
{
    const char *header = http_header(r, "authorization");
    if (!header || strncasecmp(header, "Basic ", 6) != 0)
        return NULL;
    header += 6;
    size_t n = strlen(header);
    if (n == 0 || n % 4 != 0 || n > MAX_BASIC)
        return NULL;
    unsigned char *text = talloc_zero_array(r->mem, unsigned char, n + 1);
    int size = EVP_DecodeBlock(text, (const unsigned char *)header, (int)n);
    return size > 0 && strchr((char *)text, ':') ? (char *)text : NULL;
}

static int co_basic(struct call *c, char *credentials, struct err *e)
{
    char *password = strchr(credentials, ':') + 1;
    union value session;
    bool member = c->x->membership.member;
    password[-1] = '\0';
    if ((member ? co_session_login_here(c, credentials, password, &session, e)
                : co_session_login(c, credentials, password, "http", &session, e)) < 0)
        return -1;
    c->session = session.r;
    c->session_is_own = true;
    c->roles = member ? ROLE_ALL : session_roles(c->db, db_session(c->db, c->session));
    return 0;
}

int co_http_auth(struct http_request *r, struct xapid *x, struct call *ret, struct err *e)
{
    *ret = (struct call){.x = x,
                         .db = x->db,
                         .mem = r->mem,
                         .local_root = r->local_root,
                         .address = r->peer_address,
                         .task = ref_new()};
    const char *session = http_cookie(r, "session_id");
    if (!session)
        session = http_query(r, "session_id");
    char *credentials = session ? NULL : basic_credentials(r);
    if (credentials)
        return co_basic(ret, credentials, e);
    return session_check(ret, session ? session : "", e);
}

void http_auth_end(struct call *c)
{
    const struct session *s = c->session_is_own ? db_session(c->db, c->session) : NULL;
    CLEANUP_ERR struct err ignored = {0};
    if (c->session_is_own)
        local_session_close(c->session);
    if (!s)
        return;
    struct txn *t = db_begin(c->db);
    db_delete(t, &s->row);
    (void)db_commit(t, &ignored);
}

int http_auth_may(struct call *c, const char *message, struct err *e)
{
    const struct model_message *m = model_message_by_name(message);
    unsigned roles = m ? m->roles : ROLE_POOL_ADMIN;
    if (c->roles == ROLE_ALL || (roles & c->roles))
        return 0;
    return err_rbac_permission_denied(e, m ? role_permission_name(c->mem, m) : message,
                                      "No permission in user session");
}

void http_auth_refuse(struct http_request *r, struct http_reply *reply, const struct err *e)
{
    bool denied = err_is(e, "RBAC_PERMISSION_DENIED");
    http_reply_error(r, reply, denied ? 403 : 401, err_text(r->mem, e));
    if (!denied)
        http_reply_add_header(reply, "www-authenticate", "Basic realm=\"xapid\"");
}
