#include "xapid/rrd/http.h"
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/http_auth.h"
#include "xapid/reftext.h"
#include "xapid/rrd/store.h"
#include "xapid/rrd/text.h"
#include "xapid/server.h"

static bool let_in(struct http_request *r, struct http_reply *reply, struct call *c, const char *message,
                   struct err *e)
{
    if (http_auth_may(c, message, e) == 0)
        return true;
    http_auth_refuse(r, reply, e);
    return false;
}

/* By what the client accepts, else by whether it says json= at all. */
static bool wants_json(const struct http_request *r)
{
    const char *accept = http_header(r, "accept");
    return (accept && strstr(accept, "application/json")) || http_query(r, "json");
}

static void set_type(struct http_request *r, struct http_reply *reply)
{
    reply->content_type = wants_json(r) ? "application/json" : "text/xml";
    reply->headers[reply->n_headers++] = (struct http_pair){"access-control-allow-origin", "*"};
}

/* ---- updates ---- */

static bool read_number(const char *text, int64_t *ret)
{
    char *end;
    if (!text || !*text)
        return false;
    *ret = strtoll(text, &end, 10);
    return *end == '\0' && *ret > -(1LL << 40) && *ret < 1LL << 40;
}

/* Is the VM among those asked for? All are when none is named. */
static bool is_wanted(const struct http_request *r, const char *uuid)
{
    bool any = false;
    for (unsigned i = 0; i < r->n_query; i++) {
        if (strcmp(r->query[i].name, "vm_uuid") != 0)
            continue;
        any = true;
        if (strcmp(r->query[i].value, uuid) == 0)
            return true;
    }
    return !any;
}

static struct rrd **choose(struct http_request *r, unsigned *ret_n)
{
    unsigned n;
    struct rrd *const *all = rrd_store_all(&n);
    struct rrd **chosen = talloc_array(r->mem, struct rrd *, n + 1);
    const char *host = http_query(r, "host");
    *ret_n = 0;
    for (unsigned i = 0; i < n; i++)
        if (all[i]->owner == RRD_HOST ? host && strcmp(host, "true") == 0 : is_wanted(r, all[i]->uuid))
            chosen[(*ret_n)++] = all[i];
    return chosen;
}

static void co_send_updates(struct http_request *r, struct http_reply *reply)
{
    const char *cf = http_query(r, "cf"), *interval = http_query(r, "interval");
    int64_t start, seconds = RRD_STEP, now = clock_wall();
    unsigned n;
    if (!read_number(http_query(r, "start"), &start) || (interval && !read_number(interval, &seconds))) {
        http_reply_error(r, reply, 400, "start and interval are numbers of seconds, and start is needed");
        return;
    }
    struct rrd **chosen = choose(r, &n);
    if (cf && strcmp(cf, "AVERAGE") != 0) /* nothing else is kept */
        n = 0;
    set_type(r, reply);
    (void)co_rrd_write_updates(&reply->body, wants_json(r), chosen, n, start < 0 ? now + start : start,
                               seconds, now);
}

void co_rrd_updates_get(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct call c;
    if (co_http_auth(r, arg, &c, &e) < 0)
        http_auth_refuse(r, reply, &e);
    else if (let_in(r, reply, &c, "host.get_data_sources", &e))
        co_send_updates(r, reply);
    http_auth_end(&c);
}

/* ---- one whole archive ---- */

static void send_whole(struct http_request *r, struct http_reply *reply, const struct rrd *rrd)
{
    if (!rrd || rrd->step == 0) {
        http_reply_error(r, reply, 404, "There is no history of that yet.");
        return;
    }
    set_type(r, reply);
    rrd_write_whole(&reply->body, wants_json(r), rrd);
}

void co_host_rrd_get(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    const struct xapid *x = arg;
    struct call c;
    if (co_http_auth(r, arg, &c, &e) < 0) {
        http_auth_refuse(r, reply, &e);
    } else if (let_in(r, reply, &c, "host.get_data_sources", &e)) {
        const struct host *host = db_host(x->db, x->host);
        send_whole(r, reply, host ? rrd_store_find(host->uuid) : NULL);
    }
    http_auth_end(&c);
}

/* The same request at another host. */
static void send_elsewhere(struct http_request *r, struct http_reply *reply, const struct host *host)
{
    const char *target = r->raw_target[0] == '/' ? r->raw_target : "/";
    char *to = talloc_asprintf(r->mem, strchr(host->address, ':') ? "https://[%s]%s" : "https://%s%s",
                               host->address, target);
    http_reply_error(r, reply, 302, "Another host watches that VM.");
    reply->headers[reply->n_headers++] = (struct http_pair){"location", to};
}

static void co_send_vm(struct http_request *r, struct http_reply *reply, struct xapid *x)
{
    const char *uuid = http_query(r, "uuid");
    const struct row *row = uuid ? db_get_by_uuid(x->db, CLASS_VM, uuid) : NULL;
    const struct vm *vm = (const struct vm *)row;
    const struct host *host = vm ? db_host(x->db, vm->resident_on) : NULL;
    struct rrd *here = vm ? rrd_store_find(uuid) : NULL;
    if (!vm || here) {
        send_whole(r, reply, here);
    } else if (host && !ref_equal(host->row.ref, x->host)) {
        send_elsewhere(r, reply, host);
    } else {
        struct rrd *loaded = co_rrd_store_load(x, uuid);
        send_whole(r, reply, loaded);
        rrd_free(loaded);
    }
}

void co_vm_rrd_get(struct http_request *r, struct http_reply *reply, void *arg)
{
    CLEANUP_ERR struct err e = {0};
    struct call c;
    if (co_http_auth(r, arg, &c, &e) < 0)
        http_auth_refuse(r, reply, &e);
    else if (let_in(r, reply, &c, "VM.get_data_sources", &e))
        co_send_vm(r, reply, arg);
    http_auth_end(&c);
}
