/* Networks. */
#include <inttypes.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

static int co_network_create(struct xe *x, struct err *e)
{
    const struct args *a = x->args;
    struct wire *record = wire_empty_struct(x);
    bool managed;
    int64_t mtu;

    if (args_get_int(a, "MTU", 1500, &mtu, e) < 0 || args_get_bool(a, "managed", true, &managed, e) < 0)
        return -1;
    wire_add_member(x, record, "name_label", wire_string(args_get(a, "name-label")));
    wire_add_member(x, record, "name_description", wire_string(args_get_or(a, "name-description", "")));
    wire_add_member(x, record, "MTU", wire_string(talloc_asprintf(x->ctx, "%" PRId64, mtu)));
    wire_add_member(x, record, "bridge", wire_string(args_get_or(a, "bridge", "")));
    wire_add_member(x, record, "managed", wire_bool(managed));
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
    wire_add_member(x, record, "tags", *wire_empty_array(x));
    return co_print_uuid(x, "network", co_call_text(x, e, "network.create", "w", record), e);
}

const struct command cmd_network_create = {
    .name = "network-create",
    .required = "name-label",
    .optional = "name-description,MTU,bridge,managed",
    .help = "Make a network; prints its uuid.",
    .run = co_network_create,
};

static int co_network_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "network", "network.destroy", e);
}

const struct command cmd_network_destroy = {
    .name = "network-destroy",
    .required = "uuid",
    .help = "Destroy a network that nothing is connected to.",
    .run = co_network_destroy,
};

/* The interface that carries a VLAN names it too. */
static int co_vlan_destroy(struct xe *x, struct err *e)
{
    CLEANUP_ERR struct err no_vlan = {0};
    const char *uuid = args_get(x->args, "uuid"), *pif, *vlan = co_by_uuid(x, "VLAN", uuid, &no_vlan);

    if (vlan)
        return co_call_void(x, e, "VLAN.destroy", "s", vlan);
    if (!err_is(&no_vlan, "UUID_INVALID")) {
        err_move(e, &no_vlan);
        return -1;
    }
    if (!(pif = co_by_uuid(x, "PIF", uuid, e)) || !(vlan = co_field(x, "PIF", "VLAN_master_of", pif, e)))
        return -1;
    if (ref_is_none(vlan))
        return fail_text(e, "%s is no VLAN", uuid);
    return co_call_void(x, e, "VLAN.destroy", "s", vlan);
}

const struct command cmd_vlan_destroy = {
    .name = "vlan-destroy",
    .required = "uuid",
    .help = "Take a VLAN away; uuid= is that of the VLAN or of the interface that carries it.",
    .run = co_vlan_destroy,
};
