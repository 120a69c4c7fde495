/* SR.probe: is there something at this device-config? The answer of a driver that can look is a list of what
 * it found; ours hold one SR a location, so it is that one or none. */
#include <string.h>
#include <talloc.h>
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/reftext.h"
#include "xapid/storage/sr.h"

int co_sr_probe(struct call *c, const struct sr_probe_args *a, union value *ret, struct err *e)
{
    struct sm_sr sm = {.type = a->type, .device_config = a->device_config, .sm_config = a->sm_config};
    struct agent *agent = host_agent(c->x, ref_is_null(a->host) ? c->x->host : a->host, e);
    struct sm_sr_stat stat;

    uuid_new(sm.uuid);
    if (!agent || co_agent_sr_attach(agent, &sm, e) < 0)
        return -1;
    int rc = co_agent_sr_stat(agent, &sm, &stat, e);
    CLEANUP_ERR struct err ignored = {0};
    (void)co_agent_sr_detach(agent, &sm, &ignored);
    ret->s = talloc_asprintf(c->mem,
                             "<?xml version=\"1.0\" ?><SRlist><SR><size>%lld</size>"
                             "<utilisation>%lld</utilisation></SR></SRlist>",
                             (long long)stat.physical_size, (long long)stat.physical_utilisation);
    return rc;
}

/* ---- what an SR could be used for beside disks ---- */

/* No driver here has disks that several hosts may write without a guest. */
static int refuse(struct call *c, struct ref sr, struct err *e)
{
    return call_row(c, CLASS_SR, sr, e) ? err_sr_operation_not_supported(e, REF_TEXT(sr)) : -1;
}

int co_sr_assert_can_host_ha_statefile(struct call *c, const struct sr_assert_can_host_ha_statefile_args *a,
                                       struct err *e)
{
    return refuse(c, a->sr, e);
}

int co_sr_assert_supports_database_replication(struct call *c,
                                               const struct sr_assert_supports_database_replication_args *a,
                                               struct err *e)
{
    return refuse(c, a->sr, e);
}
