/* Settings of a host's machine: its clock, its log, its console and what its kernel tells. */
#include "xapid/host/machine_set.h"
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/field.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"

#define NUMBER_SIZE 24

static const char *number_text(char text[NUMBER_SIZE], int64_t n)
{
    snprintf(text, NUMBER_SIZE, "%lld", (long long)n);
    return text;
}

int co_machine_set_one(struct xapid *x, struct ref host, enum agent_setting what, const char *key,
                       const char *value, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct agent *agent = host_agent(x, host, e);
    return agent ? co_agent_machine_set(agent, what, map_with(mem, NULL, key, value), e) : -1;
}

static int set(struct call *c, struct ref host, unsigned field, union value v, struct err *e)
{
    return call_set_field(c, CLASS_HOST, host, field, v, e);
}

/* ---- the log and the console ---- */

int co_host_syslog_reconfigure(struct call *c, const struct host_syslog_reconfigure_args *a, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->host, e);
    if (!host)
        return -1;
    struct agent *agent = host_agent(c->x, a->host, e);
    const char *to = talloc_strdup(c->mem, text_of(map_get(host->logging, "syslog_destination"))),
               *level = talloc_strdup(c->mem, text_of(map_get(host->logging, "level")));
    const struct map *values = map_with(c->mem, map_with(c->mem, NULL, "destination", to), "level", level);
    return agent ? co_agent_machine_set(agent, AGENT_SETTING_SYSLOG, values, e) : -1;
}

int co_host_set_console_idle_timeout(struct call *c, const struct host_set_console_idle_timeout_args *a,
                                     struct err *e)
{
    const char *seconds = number_text((char[NUMBER_SIZE]){0}, a->value);
    if (a->value < 0)
        return err_invalid_value(e, "console_idle_timeout", seconds);
    if (co_machine_set_one(c->x, a->self, AGENT_SETTING_CONSOLE_TIMEOUT, "seconds", seconds, e) < 0)
        return -1;
    return set(c, a->self, HOST_F_CONSOLE_IDLE_TIMEOUT, (union value){.i = a->value}, e);
}

int co_host_send_debug_keys(struct call *c, const struct host_send_debug_keys_args *a, struct err *e)
{
    return co_machine_set_one(c->x, a->host, AGENT_SETTING_DEBUG_KEYS, "keys", a->keys, e);
}

/* ---- time ---- */

/* 1 January 2200: a little later Linux takes no date (it counts nanoseconds in 63 bits). */
static const int64_t last_clock = 7258118400;

int co_host_set_timezone(struct call *c, const struct host_set_timezone_args *a, struct err *e)
{
    if (co_machine_set_one(c->x, a->self, AGENT_SETTING_TIMEZONE, "name", a->value, e) < 0)
        return -1;
    return set(c, a->self, HOST_F_TIMEZONE, (union value){.s = a->value}, e);
}

int co_host_set_servertime(struct call *c, const struct host_set_servertime_args *a, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->self, e);
    if (!host)
        return -1;
    if (host->ntp_mode != HOST_NTP_MODE_DISABLED)
        return err_not_allowed_when_ntp_is_enabled(e, REF_TEXT(a->self));
    if (a->value < 0 || a->value > last_clock)
        return err_invalid_value(e, "value", number_text((char[NUMBER_SIZE]){0}, a->value));
    return co_machine_set_one(c->x, a->self, AGENT_SETTING_CLOCK, "seconds",
                              number_text((char[NUMBER_SIZE]){0}, a->value), e);
}

/* The machine's servers are those of the mode. */
static int co_set_ntp(struct call *c, struct ref ref, enum host_ntp_mode mode, const struct set *servers,
                      struct err *e)
{
    static const char *const names[] = {[HOST_NTP_MODE_DHCP] = "DHCP",
                                        [HOST_NTP_MODE_CUSTOM] = "Custom",
                                        [HOST_NTP_MODE_FACTORY] = "Factory",
                                        [HOST_NTP_MODE_DISABLED] = "Disabled"};
    struct agent *agent = host_agent(c->x, ref, e);
    char *list = talloc_strdup(c->mem, "");
    for (uint32_t i = 0; i < set_count(servers); i++)
        list = talloc_asprintf_append_buffer(list, "%s%s", i > 0 ? " " : "", servers->v[i].s);
    const struct map *values = map_with(c->mem, map_with(c->mem, NULL, "mode", names[mode]), "servers", list);
    return agent ? co_agent_machine_set(agent, AGENT_SETTING_NTP, values, e) : -1;
}

int co_host_set_ntp_mode(struct call *c, const struct host_set_ntp_mode_args *a, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->self, e);
    if (!host || co_set_ntp(c, a->self, (enum host_ntp_mode)a->value, host->ntp_custom_servers, e) < 0)
        return -1;
    return set(c, a->self, HOST_F_NTP_MODE, (union value){.i = a->value}, e);
}

int co_host_set_ntp_custom_servers(struct call *c, const struct host_set_ntp_custom_servers_args *a,
                                   struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->self, e);
    if (!host)
        return -1;
    for (uint32_t i = 0; i < set_count(a->value); i++)
        if (!*a->value->v[i].s || strpbrk(a->value->v[i].s, " \t\r\n"))
            return err_invalid_value(e, "ntp_custom_servers", a->value->v[i].s);
    if (host->ntp_mode == HOST_NTP_MODE_CUSTOM && co_set_ntp(c, a->self, host->ntp_mode, a->value, e) < 0)
        return -1;
    return set(c, a->self, HOST_F_NTP_CUSTOM_SERVERS, (union value){.set = a->value}, e);
}

int co_host_get_ntp_servers_status(struct call *c, const struct host_get_ntp_servers_status_args *a,
                                   union value *ret, struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->self, e);
    if (!host || host->ntp_mode == HOST_NTP_MODE_DISABLED)
        return host ? 0 : -1;
    struct agent *agent = host_agent(c->x, a->self, e);
    return agent ? co_agent_machine_get(agent, c->mem, AGENT_SETTING_NTP, &ret->map, e) : -1;
}

/* ---- what only the record holds ---- */

/* Storage here has one path; what is plugged later would be told. */
int co_host_set_multipathing(struct call *c, const struct host_set_multipathing_args *a, struct err *e)
{
    if (call_change_map(c, CLASS_HOST, a->host, HOST_F_OTHER_CONFIG, "multipathing",
                        a->value ? "true" : "false", e) < 0)
        return -1;
    return set(c, a->host, HOST_F_MULTIPATHING, (union value){.b = a->value}, e);
}

/* Linux schedules the threads of processors one by one. */
int co_host_get_sched_gran(struct call *c, const struct host_get_sched_gran_args *a, union value *ret,
                           struct err *e)
{
    ret->i = HOST_SCHED_GRAN_CPU;
    return call_row(c, CLASS_HOST, a->self, e) ? 0 : -1;
}

int co_host_set_sched_gran(struct call *c, const struct host_set_sched_gran_args *a, struct err *e)
{
    if (!call_row(c, CLASS_HOST, a->self, e))
        return -1;
    if (a->value == HOST_SCHED_GRAN_CPU)
        return 0;
    return err_value_not_supported(e, "value", a->value == HOST_SCHED_GRAN_CORE ? "core" : "socket",
                                   "hardware threads are scheduled by themselves");
}

/* What a daemon asks of another: this one is alive, and the other too. */
int co_host_tickle_heartbeat(struct call *c, const struct host_tickle_heartbeat_args *a, union value *ret,
                             struct err *e)
{
    const struct host *host = (const struct host *)call_row(c, CLASS_HOST, a->host, e);
    const struct host_metrics *metrics = host ? db_host_metrics(c->db, host->metrics) : NULL;
    if (!metrics)
        return host ? 0 : -1;
    struct txn *t = db_begin(c->db);
    host_metrics_set_last_updated(t, metrics, clock_wall());
    return db_commit(t, e);
}
