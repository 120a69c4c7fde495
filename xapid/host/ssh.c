/* Who may come in over SSH: the service of each host, switched off by itself when its time is over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/host/machine_set.h"
#include "xapid/reftext.h"

enum { TIMEOUT_MAX = 2 * 24 * 3600, LOOK_MS = 60 * 1000 };

static struct fiber_cond changed = FIBER_COND_INIT(changed);

/* ---- one host ---- */

static void record_state(struct txn *t, const struct host *h, bool enabled)
{
    bool ends = enabled && h->ssh_enabled_timeout > 0;
    host_set_ssh_enabled(t, h, enabled);
    host_set_ssh_expiry(t, h, ends ? clock_wall() + h->ssh_enabled_timeout : 0);
}

static int record(struct xapid *x, struct ref ref, bool enabled, struct err *e)
{
    const struct host *h = db_host(x->db, ref);
    if (!h)
        return err_handle_invalid(e, "host", REF_TEXT(ref));
    struct txn *t = db_begin(x->db);
    record_state(t, h, enabled);
    fiber_cond_broadcast(&changed);
    return db_commit(t, e);
}

static int co_switch(struct xapid *x, struct ref ref, bool on, struct err *e)
{
    if (co_machine_set_one(x, ref, AGENT_SETTING_SSH, "enabled", on ? "true" : "false", e) < 0)
        return -1;
    return record(x, ref, on, e);
}

static int co_set_fallback(struct call *c, struct ref ref, bool on, struct err *e)
{
    if (co_machine_set_one(c->x, ref, AGENT_SETTING_SSH_FALLBACK, "enabled", on ? "true" : "false", e) < 0)
        return -1;
    return call_set_field(c, CLASS_HOST, ref, HOST_F_SSH_AUTO_MODE, (union value){.b = on}, e);
}

/* Why it did not work goes to the log: the API's error has the host alone. */
static void tell(const char *what, struct ref ref, const struct err *e)
{
    CLEANUP_TALLOC char *text = err_text(NULL, e);
    log_warning("%s SSH of %s: %s", what, REF_TEXT(ref), text);
}

/* SSH that is opened for good is not switched any more by how the daemon fares. */
static int co_enable(struct call *c, struct ref ref, struct err *e)
{
    const struct host *h = (const struct host *)call_row(c, CLASS_HOST, ref, e);
    CLEANUP_ERR struct err why = {0};
    if (!h)
        return -1;
    bool for_good = h->ssh_auto_mode && h->ssh_enabled_timeout == 0;
    if (co_switch(c->x, ref, true, &why) == 0 && (!for_good || co_set_fallback(c, ref, false, &why) == 0))
        return 0;
    tell("enabling", ref, &why);
    return err_enable_ssh_failed(e, REF_TEXT(ref));
}

static int co_disable(struct call *c, struct ref ref, struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    if (!call_row(c, CLASS_HOST, ref, e))
        return -1;
    if (co_switch(c->x, ref, false, &why) == 0)
        return 0;
    tell("disabling", ref, &why);
    return err_disable_ssh_failed(e, REF_TEXT(ref));
}

static int co_set_auto_mode(struct call *c, struct ref ref, bool on, struct err *e)
{
    if (co_set_fallback(c, ref, on, e) < 0)
        return -1;
    return on ? co_switch(c->x, ref, false, e) : 0;
}

static int check_timeout(int64_t seconds, struct err *e)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)seconds);
    return seconds < 0 || seconds > TIMEOUT_MAX ? err_invalid_value(e, "ssh_enabled_timeout", text) : 0;
}

/* What is open now stays so for the new time from now. */
static int set_timeout(struct call *c, struct ref ref, int64_t seconds, struct err *e)
{
    const struct host *h = (const struct host *)call_row(c, CLASS_HOST, ref, e);
    if (!h || check_timeout(seconds, e) < 0)
        return -1;
    struct txn *t = db_begin(c->db);
    host_set_ssh_enabled_timeout(t, h, seconds);
    record_state(t, h, h->ssh_enabled);
    fiber_cond_broadcast(&changed);
    return db_commit(t, e);
}

int co_host_enable_ssh(struct call *c, const struct host_enable_ssh_args *a, struct err *e)
{
    return co_enable(c, a->self, e);
}

int co_host_disable_ssh(struct call *c, const struct host_disable_ssh_args *a, struct err *e)
{
    return co_disable(c, a->self, e);
}

int co_host_set_ssh_enabled_timeout(struct call *c, const struct host_set_ssh_enabled_timeout_args *a,
                                    struct err *e)
{
    return set_timeout(c, a->self, a->value, e);
}

int co_host_set_ssh_auto_mode(struct call *c, const struct host_set_ssh_auto_mode_args *a, struct err *e)
{
    return co_set_auto_mode(c, a->self, a->value, e);
}

/* ---- all hosts of the pool ---- */

/* The hosts where it failed, with commas between; "" for none. */
static const char *co_everywhere(struct call *c,
                                 int (*co_do)(struct call *c, struct ref host, int64_t value, struct err *e),
                                 int64_t value)
{
    struct ref *refs = talloc_array(c->mem, struct ref, db_count(c->db, CLASS_HOST) + 1);
    char *failed = talloc_strdup(c->mem, "");
    unsigned n = 0;
    DB_FOREACH (c->db, CLASS_HOST, row)
        refs[n++] = row->ref;
    for (unsigned i = 0; i < n; i++) {
        CLEANUP_ERR struct err e = {0};
        if (co_do(c, refs[i], value, &e) < 0)
            failed = talloc_asprintf_append_buffer(failed, "%s%s", *failed ? "," : "", REF_TEXT(refs[i]));
    }
    return failed;
}

static int co_enable_one(struct call *c, struct ref host, int64_t value, struct err *e)
{
    return co_enable(c, host, e);
}

static int co_disable_one(struct call *c, struct ref host, int64_t value, struct err *e)
{
    return co_disable(c, host, e);
}

static int co_set_timeout_one(struct call *c, struct ref host, int64_t value, struct err *e)
{
    return set_timeout(c, host, value, e);
}

static int co_set_auto_mode_one(struct call *c, struct ref host, int64_t value, struct err *e)
{
    return co_set_auto_mode(c, host, value, e);
}

static int co_set_console_one(struct call *c, struct ref host, int64_t value, struct err *e)
{
    return co_host_set_console_idle_timeout(
        c, &(struct host_set_console_idle_timeout_args){.self = host, .value = value}, e);
}

int co_pool_enable_ssh(struct call *c, const struct pool_enable_ssh_args *a, struct err *e)
{
    if (!call_row(c, CLASS_POOL, a->self, e))
        return -1;
    const char *failed = co_everywhere(c, co_enable_one, 0);
    return *failed ? err_enable_ssh_partially_failed(e, failed) : 0;
}

int co_pool_disable_ssh(struct call *c, const struct pool_disable_ssh_args *a, struct err *e)
{
    if (!call_row(c, CLASS_POOL, a->self, e))
        return -1;
    const char *failed = co_everywhere(c, co_disable_one, 0);
    return *failed ? err_disable_ssh_partially_failed(e, failed) : 0;
}

int co_pool_set_ssh_enabled_timeout(struct call *c, const struct pool_set_ssh_enabled_timeout_args *a,
                                    struct err *e)
{
    if (!call_row(c, CLASS_POOL, a->self, e) || check_timeout(a->value, e) < 0)
        return -1;
    const char *failed = co_everywhere(c, co_set_timeout_one, a->value);
    return *failed ? err_set_ssh_timeout_partially_failed(e, failed) : 0;
}

int co_pool_set_ssh_auto_mode(struct call *c, const struct pool_set_ssh_auto_mode_args *a, struct err *e)
{
    if (!call_row(c, CLASS_POOL, a->self, e))
        return -1;
    const char *failed = co_everywhere(c, co_set_auto_mode_one, a->value);
    return *failed ? err_set_ssh_auto_mode_partially_failed(e, failed) : 0;
}

int co_pool_set_console_idle_timeout(struct call *c, const struct pool_set_console_idle_timeout_args *a,
                                     struct err *e)
{
    if (!call_row(c, CLASS_POOL, a->self, e))
        return -1;
    if (a->value < 0)
        return err_invalid_value(e, "console_idle_timeout",
                                 talloc_asprintf(c->mem, "%lld", (long long)a->value));
    const char *failed = co_everywhere(c, co_set_console_one, a->value);
    return *failed ? err_set_console_timeout_partially_failed(e, failed) : 0;
}

/* ---- in time ---- */

/* How this host's machine is set now, by whomever. */
static void co_look_at_machine(struct xapid *x)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    const struct map *ssh = NULL, *zone = NULL;
    (void)co_agent_machine_get(x->agent, mem, AGENT_SETTING_SSH, &ssh, &e);
    (void)co_agent_machine_get(x->agent, mem, AGENT_SETTING_TIMEZONE, &zone, &e);
    const char *enabled = map_get(ssh, "enabled"), *name = map_get(zone, "name");
    const struct host *h = db_host(x->db, x->host);
    if (!h)
        return;
    struct txn *t = db_begin(x->db);
    bool on = enabled && strcmp(enabled, "true") == 0;
    if (enabled && on != h->ssh_enabled)
        record_state(t, h, on);
    if (name && strcmp(name, text_of(h->timezone)) != 0)
        host_set_timezone(t, h, name);
    (void)db_commit(t, &e);
}

/* The host whose time ends first; NULL for none. */
static const struct host *next_to_end(struct db *db)
{
    const struct host *next = NULL;
    DB_FOREACH (db, CLASS_HOST, row) {
        const struct host *h = (const struct host *)row;
        if (h->ssh_enabled && h->ssh_expiry > 0 && (!next || h->ssh_expiry < next->ssh_expiry))
            next = h;
    }
    return next;
}

/* Until something is due, or changes; now and then in any case, for clocks are set. */
static int64_t co_end_due(struct xapid *x)
{
    const struct host *h = next_to_end(x->db);
    CLEANUP_ERR struct err e = {0};
    int64_t left = h ? (h->ssh_expiry - clock_wall()) * 1000 : LOOK_MS;
    if (left > 0)
        return clock_in_ms(left < LOOK_MS ? left : LOOK_MS);
    struct ref ref = h->row.ref;
    log_info("the time of SSH on %s is over", REF_TEXT(ref));
    if (co_switch(x, ref, false, &e) == 0)
        return clock_now();
    tell("disabling", ref, &e);
    return clock_in_ms(LOOK_MS);
}

static void co_watch(void *arg)
{
    struct xapid *x = arg;
    int r = 0;
    co_look_at_machine(x);
    while (r != -ECANCELED)
        r = co_cond_wait(&changed, co_end_due(x), "SSH to be switched off in time");
}

void ssh_watch_start(struct xapid *x)
{
    fiber_spawn("ssh", co_watch, x);
}
