/* Networks. */
#include <inttypes.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"

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
