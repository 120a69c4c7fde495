/* What servers recommend: where VMs would go by workload balancing, and after hosts have failed. */
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"

/* A set or map of text as one line. */
static const char *join(struct xe *x, const struct wire *w)
{
    char *text = talloc_strdup(x->ctx, "");
    for (uint32_t i = 0; w->kind == WIRE_ARRAY && i < w->n; i++)
        text = talloc_asprintf_append(text, "%s%s", i > 0 ? " " : "", wire_text(x, &w->items[i]));
    for (uint32_t i = 0; w->kind == WIRE_STRUCT && i < w->n; i++)
        text = talloc_asprintf_append(text, "%s%s: %s", i > 0 ? "; " : "", w->members[i].name,
                                      wire_text(x, &w->members[i].value));
    return w->kind == WIRE_ARRAY || w->kind == WIRE_STRUCT ? text : wire_text(x, w);
}

/* A map of references of a class: a record each, of who it is and what is said of it. */
static int co_show_advice(struct xe *x, const struct wire *map, const char *cls, const char *said,
                          struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    if (!map)
        return -1;
    for (uint32_t i = 0; map->kind == WIRE_STRUCT && i < map->n; i++) {
        const char *uuid = co_uuid_of(x, cls, map->members[i].name, e);
        const char *name = uuid ? co_field(x, cls, "name_label", map->members[i].name, e) : NULL;
        if (!name)
            return -1;
        table_row(&t, "uuid", uuid);
        table_row(&t, "name-label", name);
        table_row(&t, said, join(x, &map->members[i].value));
        table_end_record(&t);
    }
    if (t.n_records > 0)
        out_table(&x->out, &t);
    return 0;
}

static int co_pool_retrieve_wlb_recommendations(struct xe *x, struct err *e)
{
    return co_show_advice(x, co_call(x, e, "pool.retrieve_wlb_recommendations", ""), "VM", "recommendation",
                          e);
}

const struct command cmd_pool_retrieve_wlb_recommendations = {
    .name = "pool-retrieve-wlb-recommendations",
    .help = "Show which VMs workload balancing would move, and where to.",
    .run = co_pool_retrieve_wlb_recommendations,
};

static int co_host_retrieve_wlb_evacuate_recommendations(struct xe *x, struct err *e)
{
    const char *host = co_arg_ref(x, "uuid", "host", e);
    if (!host)
        return -1;
    return co_show_advice(x, co_call(x, e, "host.retrieve_wlb_evacuate_recommendations", "s", host), "VM",
                          "recommendation", e);
}

const struct command cmd_host_retrieve_wlb_evacuate_recommendations = {
    .name = "host-retrieve-wlb-evacuate-recommendations",
    .required = "uuid",
    .flags = CMD_HIDDEN,
    .help = "Show where workload balancing would move the VMs of a host.",
    .run = co_host_retrieve_wlb_evacuate_recommendations,
};

static int co_of_vm(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_show_advice(x, co_call(x, e, "VM.retrieve_wlb_recommendations", "s", vm->ref), "host",
                          "recommendation", e);
}

static int co_vm_retrieve_wlb_recommendations(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_of_vm, e);
}

const struct command cmd_vm_retrieve_wlb_recommendations = {
    .name = "vm-retrieve-wlb-recommendations",
    .flags = CMD_VM,
    .help = "Show what workload balancing says of hosts for a VM.",
    .run = co_vm_retrieve_wlb_recommendations,
};

/* ---- failures of hosts ---- */

/* The VMs of a host that are not its control domain, added to *vms. */
static int co_add_guests(struct xe *x, const char *host, const char **vms, unsigned *n, unsigned max,
                         struct err *e)
{
    const struct wire *all = co_call(x, e, "host.get_resident_VMs", "s", host);
    for (uint32_t i = 0; all && all->kind == WIRE_ARRAY && i < all->n && *n < max; i++) {
        const char *vm = wire_text(x, &all->items[i]);
        const struct wire *own = co_call(x, e, "VM.get_is_control_domain", "s", vm);
        if (!own)
            return -1;
        if (!wire_is_true(own))
            vms[(*n)++] = vm;
    }
    return all ? 0 : -1;
}

static int co_pool_ha_compute_vm_failover_plan(struct xe *x, struct err *e)
{
    enum { MAX = 4096 };
    unsigned n_hosts, n_vms = 0;
    const char **hosts = text_split(x->ctx, args_get(x->args, "host-uuids"), ',', &n_hosts);
    const char **vms = talloc_array(x->ctx, const char *, MAX);
    for (unsigned i = 0; i < n_hosts; i++) {
        hosts[i] = co_by_uuid(x, "host", hosts[i], e);
        if (!hosts[i] || co_add_guests(x, hosts[i], vms, &n_vms, MAX, e) < 0)
            return -1;
    }
    const struct wire *plan = co_call(x, e, "pool.ha_compute_vm_failover_plan", "ww",
                                      wire_text_set(x, hosts, n_hosts), wire_text_set(x, vms, n_vms));
    return co_show_advice(x, plan, "VM", "plan", e);
}

const struct command cmd_pool_ha_compute_vm_failover_plan = {
    .name = "pool-ha-compute-vm-failover-plan",
    .required = "host-uuids",
    .flags = CMD_HIDDEN,
    .help = "Show where the VMs of hosts would start if those hosts failed.",
    .run = co_pool_ha_compute_vm_failover_plan,
};

static int co_pool_ha_compute_hypothetical(struct xe *x, struct err *e)
{
    unsigned n_vms, n_priorities;
    const char **vms = text_split(x->ctx, args_get_or(x->args, "vm-uuid", ""), ',', &n_vms);
    const char **priorities =
        text_split(x->ctx, args_get_or(x->args, "restart-priority", ""), ',', &n_priorities);
    struct arg *members = talloc_zero_array(x->ctx, struct arg, n_vms + 1);
    if (n_vms != n_priorities)
        return fail_text(e, "Give as many vm-uuid= as restart-priority=, with commas between them");
    for (unsigned i = 0; i < n_vms; i++) {
        members[i] = (struct arg){co_by_uuid(x, "VM", vms[i], e), priorities[i]};
        if (!members[i].key)
            return -1;
    }
    const char *answer = co_call_text(x, e, "pool.ha_compute_hypothetical_max_host_failures_to_tolerate", "w",
                                      wire_text_map(x, members, n_vms));
    if (answer)
        out_item(&x->out, answer);
    return answer ? 0 : -1;
}

const struct command cmd_pool_ha_compute_hypothetical_max_host_failures_to_tolerate = {
    .name = "pool-ha-compute-hypothetical-max-host-failures-to-tolerate",
    .optional = "vm-uuid,restart-priority",
    .help = "Print how many hosts could fail if these VMs, with commas between them, had these restart "
            "priorities.",
    .run = co_pool_ha_compute_hypothetical,
};

/* The exit code says it: 0 for a good daemon, 2 for one that is not, 3 when it does not even answer. */
static int co_host_ha_xapi_healthcheck(struct xe *x, struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    const struct wire *good = co_call(x, &why, "host.ha_xapi_healthcheck", "");
    if (good && wire_is_true(good)) {
        out_direct(&x->out, "xapi is healthy.\n");
        return 0;
    }
    fprintf(stderr, "xapi is not healthy.\n");
    return fail_exit(e, good ? 2 : 3);
}

const struct command cmd_host_ha_xapi_healthcheck = {
    .name = "host-ha-xapi-healthcheck",
    .flags = CMD_HIDDEN | CMD_LOCAL,
    .help = "Tell by the exit code whether the daemon is well: 0, or 2 and 3 when it is not.",
    .run = co_host_ha_xapi_healthcheck,
};
