#include "xapid/audit/audit.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>
#include "xapid/audit/log.h"
#include "xapid/audit/text.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

enum { NAME_MAX_BYTES = 128 };

/* ---- what leaves a line ---- */

static bool begins_with_one_of(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (strncmp(name, *words, strlen(*words)) == 0)
            return true;
    return false;
}

/* Messages of their own that change nothing, by how their names begin. */
static bool is_explicit_read(const struct model_message *m)
{
    static const char *const verbs[] = {"get",
                                        "assert_",
                                        "compute_",
                                        "ha_compute_",
                                        "ha_failover_plan_exists",
                                        "query_",
                                        "retrieve_",
                                        "list_",
                                        "read_database_",
                                        "maximise_memory",
                                        "is_",
                                        "has_",
                                        "dmesg",
                                        "tickle_heartbeat",
                                        "ha_xapi_healthcheck",
                                        "wait_memory_target_live",
                                        "test_archive_target",
                                        "check_update_readiness",
                                        "detect_nonhomogeneous_",
                                        "certificate_list",
                                        "crl_list",
                                        NULL};
    return m->cls == CLASS_EVENT || begins_with_one_of(m->name, verbs);
}

bool audit_is_read(const struct model_message *m)
{
    switch (m->verb) {
    case VERB_EXPLICIT:
        return is_explicit_read(m);
    case VERB_SET_FIELD:
    case VERB_ADD_TO_MAP:
    case VERB_REMOVE_FROM_MAP:
    case VERB_ADD_TO_SET:
    case VERB_REMOVE_FROM_SET:
    case VERB_CREATE:
    case VERB_DESTROY:
        return false;
    default:
        return true;
    }
}

/* ---- parts of a line ---- */

/* A word between bars: nothing in it may look like one, or like the end. */
static void add_word(struct buf *b, const char *text)
{
    for (size_t n = 0; *text && n < NAME_MAX_BYTES; text++, n++)
        buf_add_char(b, *text > 0x20 && *text < 0x7f && *text != '|' && *text != ']' ? *text : '_');
}

static void add_time(struct buf *b)
{
    struct timespec now;
    struct tm t;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    strftime(text, sizeof text, "%Y%m%dT%H:%M:%S", &t);
    buf_printf(b, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
}

static void add_head(struct buf *b, const struct call *c, const char *origin, const char *method)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    buf_add_char(b, '[');
    add_time(b);
    buf_add_lit(b, "|audit|");
    add_word(b, host);
    buf_add_char(b, '|');
    buf_add_str(b, origin);
    buf_add_char(b, '|');
    add_word(b, method);
    if (c->has_task)
        buf_printf(b, " R:%.12s", REF_TEXT(c->task) + strlen("OpaqueRef:"));
    buf_add_lit(b, "|audit] ");
}

/* ADDRESS ORIGINATOR */
static void add_origin(struct buf *b, const struct call *c)
{
    const struct session *s = db_session(c->db, c->session);
    add_word(b, c->address && *c->address ? c->address : "local");
    buf_add_char(b, ' ');
    add_word(b, s ? text_of(s->originator) : "");
}

/* ('trackid=…' 'SID' 'USER' */
static void add_caller(struct buf *b, const struct call *c)
{
    const struct session *s = db_session(c->db, c->session);
    bool superuser = s ? s->is_local_superuser : c->local_root;
    buf_printf(b, "('trackid=%s' ", s ? text_of(s->uuid) : "");
    audit_add_quoted(b, superuser ? "LOCAL_SUPERUSER" : s ? text_of(s->auth_user_sid) : "", NAME_MAX_BYTES);
    buf_add_char(b, ' ');
    audit_add_quoted(b, s ? text_of(s->auth_user_name) : superuser ? "root" : "", NAME_MAX_BYTES);
    buf_add_char(b, ' ');
}

static void add_outcome(struct buf *b, const struct err *e)
{
    bool denied = err_is(e, "RBAC_PERMISSION_DENIED") || err_is(e, "SESSION_AUTHENTICATION_FAILED") ||
                  err_is(e, "SESSION_AUTHORIZATION_FAILED");
    buf_printf(b, "'%s' '%s%s' ", denied ? "DENIED" : "ALLOWED", err_is_set(e) ? "ERROR:" : "OK",
               err_is_set(e) ? e->code : "");
}

/* ---- calls ---- */

/* Three parts of a line, a NUL after each: from where, who, what. */
const char *audit_begin(struct call *c, const struct wire *params, uint32_t n)
{
    CLEANUP_BUF struct buf b = {0};
    if (!c->x->audit || audit_is_read(c->message))
        return NULL;
    add_origin(&b, c);
    buf_add_char(&b, '\0');
    add_caller(&b, c);
    buf_add_char(&b, '\0');
    audit_add_params(&b, c->db, c->message, params, n);
    buf_add_char(&b, '\0');
    return talloc_memdup(c->mem, b.data, b.len);
}

void audit_end(struct call *c, const char *begun, const char *method, const struct err *e)
{
    CLEANUP_BUF struct buf b = {0};
    if (!begun)
        return;
    const char *caller = begun + strlen(begun) + 1, *params = caller + strlen(caller) + 1;
    add_head(&b, c, begun, method);
    buf_add_str(&b, caller);
    add_outcome(&b, e);
    buf_printf(&b, "'API' '%s' ", c->message->full_name);
    buf_add_str(&b, params);
    buf_add_lit(&b, ")\n");
    audit_log_append(c->x->audit, b.data, b.len);
}

/* "http/connect_console", as XenAPI servers name what their HTTP handlers do. */
static const char *http_name(struct buf *b, const struct http_request *r)
{
    buf_printf(b, "http/%s_", r->method);
    for (const char *p = r->path + strspn(r->path, "/"); *p; p++)
        buf_add_char(b, *p == '/' ? '_' : *p);
    for (size_t i = 0; i < b->len; i++)
        b->data[i] = (char)tolower((unsigned char)b->data[i]);
    return buf_cstr(b);
}

void audit_http(struct call *c, const struct http_request *r, const struct row *row, const struct err *e)
{
    CLEANUP_BUF struct buf b = {0}, origin = {0}, name = {0};
    if (!c->x->audit)
        return;
    add_origin(&origin, c);
    add_head(&b, c, buf_cstr(&origin), http_name(&name, r));
    add_caller(&b, c);
    add_outcome(&b, e);
    buf_add_lit(&b, "'HTTP' ");
    audit_add_quoted(&b, buf_cstr(&name), NAME_MAX_BYTES);
    buf_add_char(&b, ' ');
    audit_add_query(&b, row, r);
    buf_add_lit(&b, ")\n");
    audit_log_append(c->x->audit, b.data, b.len);
}
