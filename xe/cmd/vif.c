/* NICs of VMs. */
#include <string.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

static int co_vif_create(struct xe *x, struct err *e)
{
    const char *vm = co_arg_ref(x, "vm-uuid", "VM", e), *mac = args_get_or(x->args, "mac", "random"),
               *network, *mtu;
    struct wire *record = wire_empty_struct(x);

    if (!vm || !(network = co_arg_ref(x, "network-uuid", "network", e)) ||
        !(mtu = co_field(x, "network", "MTU", network, e)))
        return -1;
    wire_add_member(x, record, "device", wire_string(args_get(x->args, "device")));
    wire_add_member(x, record, "network", wire_string(network));
    wire_add_member(x, record, "VM", wire_string(vm));
    wire_add_member(x, record, "MAC", wire_string(strcmp(mac, "random") == 0 ? "" : mac));
    wire_add_member(x, record, "MTU", wire_string(mtu));
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
    wire_add_member(x, record, "qos_algorithm_type", wire_string(""));
    wire_add_member(x, record, "qos_algorithm_params", *wire_empty_struct(x));
    return co_print_uuid(x, "VIF", co_call_text(x, e, "VIF.create", "w", record), e);
}

const struct command cmd_vif_create = {
    .name = "vif-create",
    .required = "device,network-uuid,vm-uuid",
    .optional = "mac",
    .help =
        "Give a VM a NIC on a network, with a MAC address of its own unless mac= gives one; prints its uuid.",
    .run = co_vif_create,
};

static int co_vif_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VIF", "VIF.destroy", e);
}

const struct command cmd_vif_destroy = {
    .name = "vif-destroy",
    .required = "uuid",
    .help = "Take a NIC from its VM for good.",
    .run = co_vif_destroy,
};

static int co_vif_plug(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VIF", "VIF.plug", e);
}

const struct command cmd_vif_plug = {
    .name = "vif-plug",
    .required = "uuid",
    .help = "Attach a NIC to its running VM.",
    .run = co_vif_plug,
};

static int co_vif_unplug(struct xe *x, struct err *e)
{
    bool force;

    if (args_get_bool(x->args, "force", false, &force, e) < 0)
        return -1;
    return co_on_uuid(x, "VIF", force ? "VIF.unplug_force" : "VIF.unplug", e);
}

const struct command cmd_vif_unplug = {
    .name = "vif-unplug",
    .required = "uuid",
    .optional = "force",
    .help = "Detach a NIC from its running VM.",
    .run = co_vif_unplug,
};

static int co_vif_move(struct xe *x, struct err *e)
{
    const char *vif = co_arg_ref(x, "uuid", "VIF", e);
    const char *network = vif ? co_arg_ref(x, "network-uuid", "network", e) : NULL;

    return network ? co_call_void(x, e, "VIF.move", "ss", vif, network) : -1;
}

const struct command cmd_vif_move = {
    .name = "vif-move",
    .required = "uuid,network-uuid",
    .help = "Put a NIC on another network, also while its VM runs.",
    .run = co_vif_move,
};

/* Address settings of one family. */
static int co_configure_ip(struct xe *x, const char *method, struct err *e)
{
    const struct args *a = x->args;
    const char *vif = co_arg_ref(x, "uuid", "VIF", e);

    return vif ? co_call_void(x, e, method, "ssss", vif, args_get(a, "mode"), args_get_or(a, "address", ""),
                              args_get_or(a, "gateway", ""))
               : -1;
}

static int co_vif_configure_ipv4(struct xe *x, struct err *e)
{
    return co_configure_ip(x, "VIF.configure_ipv4", e);
}

const struct command cmd_vif_configure_ipv4 = {
    .name = "vif-configure-ipv4",
    .required = "uuid,mode",
    .optional = "address,gateway",
    .help =
        "Set how a NIC gets its IPv4 address: mode none or static, with address= (with a prefix length) and "
        "gateway=.",
    .run = co_vif_configure_ipv4,
};

static int co_vif_configure_ipv6(struct xe *x, struct err *e)
{
    return co_configure_ip(x, "VIF.configure_ipv6", e);
}

const struct command cmd_vif_configure_ipv6 = {
    .name = "vif-configure-ipv6",
    .required = "uuid,mode",
    .optional = "address,gateway",
    .help =
        "Set how a NIC gets its IPv6 address: mode none or static, with address= (with a prefix length) and "
        "gateway=.",
    .run = co_vif_configure_ipv6,
};
