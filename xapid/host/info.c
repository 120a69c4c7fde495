/* What a host can tell about itself. */
#include <talloc.h>
#include <time.h>
#include "lib/clock.h"
#include "xapid/call_stats.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/here.h"
#include "xapid/vm/share.h"

static const struct host *host_of(struct call *c, struct ref ref, struct err *e)
{
    return (const struct host *)call_row(c, CLASS_HOST, ref, e);
}

int co_host_get_servertime(struct call *c, const struct host_get_servertime_args *a, union value *ret,
                           struct err *e)
{
    ret->i = clock_wall();
    return host_of(c, a->host, e) ? 0 : -1;
}

int co_host_get_server_localtime(struct call *c, const struct host_get_server_localtime_args *a,
                                 union value *ret, struct err *e)
{
    time_t now = (time_t)clock_wall();
    struct tm tm;

    localtime_r(&now, &tm);
    ret->i = now + tm.tm_gmtoff;
    return host_of(c, a->host, e) ? 0 : -1;
}

/* One that cannot write its database can do little. */
int co_host_ha_xapi_healthcheck(struct call *c, const struct host_ha_xapi_healthcheck_args *a,
                                union value *ret, struct err *e)
{
    CLEANUP_ERR struct err reason = {0};

    ret->b = db_check_writable(c->db, &reason) == 0;
    return 0;
}

int co_host_compute_free_memory(struct call *c, const struct host_compute_free_memory_args *a,
                                union value *ret, struct err *e)
{
    if (!host_of(c, a->host, e))
        return -1;
    ret->i = host_free_memory(c->db, a->host, NULL);
    return 0;
}

int co_host_compute_memory_overhead(struct call *c, const struct host_compute_memory_overhead_args *a,
                                    union value *ret, struct err *e)
{
    const struct host *host = host_of(c, a->host, e);

    if (!host)
        return -1;
    ret->i = host->memory_overhead;
    return 0;
}

int co_host_list_methods(struct call *c, const struct host_list_methods_args *a, union value *ret,
                         struct err *e)
{
    struct set *set = talloc_zero_size(c->mem, sizeof *set + model_message_count * sizeof set->v[0]);

    for (unsigned i = 0; i < model_message_count; i++)
        if (!model_messages[i].removed && !model_messages[i].pool_internal)
            set->v[set->n++].s = model_messages[i].full_name;
    ret->set = set;
    return 0;
}

int co_host_get_management_interface(struct call *c, const struct host_get_management_interface_args *a,
                                     union value *ret, struct err *e)
{
    if (!host_of(c, a->host, e))
        return -1;
    FOREACH_REFERRER (c->db, pif, pif, PIF, HOST, a->host)
        if (pif->management) {
            ret->r = pif->row.ref;
            return 0;
        }
    return err_host_has_no_management_ip(e);
}

int co_host_sync_data(struct call *c, const struct host_sync_data_args *a, struct err *e)
{
    return host_of(c, a->host, e) ? 0 : -1;
}

int co_host_refresh_pack_info(struct call *c, const struct host_refresh_pack_info_args *a, struct err *e)
{
    return host_of(c, a->host, e) ? 0 : -1;
}

int co_host_get_diagnostic_timing_stats(struct call *c, const struct host_get_diagnostic_timing_stats_args *a,
                                        union value *ret, struct err *e)
{
    if (host_is_here(c, a->host, e) < 0)
        return -1;
    ret->map = call_stats_map(c->mem);
    return 0;
}

/* There are no licence files here, so none is accepted and there is none to remove. */
int co_host_license_add(struct call *c, const struct host_license_add_args *a, struct err *e)
{
    return host_of(c, a->host, e) ? err_license_processing_error(e) : -1;
}

int co_host_license_remove(struct call *c, const struct host_license_remove_args *a, struct err *e)
{
    return host_of(c, a->host, e) ? 0 : -1;
}
