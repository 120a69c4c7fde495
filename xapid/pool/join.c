/* The joining host's side. */
#include "xapid/pool/join.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "db/feed.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "pool/authority.h"
#include "xapid/backup.h"
#include "xapid/handlers.gen.h"
#include "xapid/pool/change_role.h"
#include "xapid/pool/frame.h"
#include "xapid/pool/refusal.h"
#include "xapid/server.h"

enum { MAX_REPLY = 1 << 20 };

/* ---- what it sends ---- */

/* Frames: who asks, with the request for a certificate; the model; the rows. */
static void write_request(struct call *c, const char *request, const char *pool, struct buf *out)
{
    const struct host *host = db_host(c->db, c->x->host);
    json_t *hello = json_pack("{s:s, s:s, s:s}", "host", host->uuid, "pool", pool, "request", request);
    char *text = json_dumps(hello, JSON_COMPACT);
    CLEANUP_BUF struct buf model = {0};
    struct batch *rows = feed_snapshot(c->db);

    json_decref(hello);
    feed_describe(&model);
    frame_put(out, FRAME_HELLO, 0, text, strlen(text));
    frame_put(out, FRAME_MODEL, 0, model.data, model.len);
    frame_put(out, FRAME_SNAPSHOT, rows->generation, rows->data.data, rows->data.len);
    batch_free(rows);
    free(text);
}

/* ---- what it gets ---- */

/* NULL with e. */
static json_t *co_ask(struct call *c, struct remote_pool *there, const struct buf *body, struct err *e)
{
    CLEANUP_BUF struct buf reply = {0};
    const char *headers = talloc_asprintf(c->mem, "cookie: session_id=%s\r\n", there->session);
    unsigned status = 0;

    if (co_http_exchange(there->client, "POST", "/pool/join", headers, body->data, body->len, MAX_REPLY,
                         &status, &reply, e) < 0)
        return NULL;
    json_t *answer = status == 200 ? json_loadb(reply.data, reply.len, 0, NULL) : NULL;
    if (!answer)
        refusal_read(reply.data, reply.len, e);
    return answer;
}

struct answer {
    struct authority_files files;
    const char *coordinator;
    uint64_t term;
};

static int read_answer(const json_t *j, struct answer *ret, struct err *e)
{
    json_int_t term;

    if (json_unpack((json_t *)j, "{s:s, s:s, s:s, s:s, s:I}", "ca_cert", &ret->files.ca_cert, "ca_key",
                    &ret->files.ca_key, "cert", &ret->files.cert, "coordinator", &ret->coordinator, "term",
                    &term) < 0 ||
        term < 1)
        return err_joining_host_service_failed(e);
    ret->term = (uint64_t)term;
    return 0;
}

/* From here on this host is a member: its next start makes it one. */
static int install(struct call *c, const char *pool, const struct answer *a, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    struct membership m = {.member = true, .term = a->term};
    const struct host *host = db_host(c->db, c->x->host);

    if (strlen(a->coordinator) >= sizeof m.coordinator)
        return err_joining_host_service_failed(e);
    strcpy(m.coordinator, a->coordinator);
    strcpy(m.pool, pool);
    strcpy(m.host, host->uuid);
    membership_format(&m, &text);
    return authority_install(c->x->options.state_dir, pool, host->uuid, &a->files, buf_cstr(&text), e);
}

static int co_become_member(struct call *c, struct remote_pool *there, const char *pool, struct err *e)
{
    CLEANUP_BUF struct buf body = {0};
    struct answer answer = {0};
    const struct host *host = db_host(c->db, c->x->host);
    char *key, *request;

    if (authority_request(c->mem, pool, host->uuid, &key, &request, e) < 0)
        return -1;
    write_request(c, request, pool, &body);
    json_t *reply = co_ask(c, there, &body, e);
    if (!reply)
        return -1;
    answer.files.key = key;
    int r = read_answer(reply, &answer, e);
    if (r == 0)
        r = install(c, pool, &answer, e);
    json_decref(reply);
    return r;
}

/* ---- the messages ---- */

static int co_find_pool(struct remote_pool *there, const char **ret, struct err *e)
{
    struct wire pools;
    const char *uuid;

    if (co_remote_call(there, "pool.get_all_records", NULL, &pools, e) < 0)
        return -1;
    uuid = pools.kind == WIRE_STRUCT && pools.n == 1 ? wire_member_string(&pools.members[0].value, "uuid")
                                                     : NULL;
    if (!uuid || !uuid_is_valid(uuid))
        return err_joining_host_service_failed(e);
    *ret = uuid;
    return 0;
}

static int co_join_at(struct call *c, struct remote_pool *there, bool force, struct err *e)
{
    const char *pool = NULL;

    if (co_join_check(c, there, force, e) < 0 || co_find_pool(there, &pool, e) < 0 ||
        co_backup_now(c->x, e) < 0 || co_become_member(c, there, pool, e) < 0)
        return -1;
    log_info("this host joins pool %s", pool);
    change_role_restart(c->x);
    return 0;
}

static int co_join(struct call *c, const char *address, const char *user, const char *password, bool force,
                   struct err *e)
{
    struct remote_pool there = {.mem = c->mem};

    if (c->x->membership.member)
        return err_host_is_slave(e, c->x->membership.coordinator);
    int r = co_remote_login(c->x, &there, address, c->x->port, user, password, e);
    if (r == 0)
        r = co_join_at(c, &there, force, e);
    co_remote_logout(&there);
    return r;
}

int co_pool_join(struct call *c, const struct pool_join_args *a, struct err *e)
{
    return co_join(c, a->master_address, a->master_username, a->master_password, false, e);
}

int co_pool_join_force(struct call *c, const struct pool_join_force_args *a, struct err *e)
{
    return co_join(c, a->master_address, a->master_username, a->master_password, true, e);
}
