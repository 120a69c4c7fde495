/* What hosts, the pool and VMs say of themselves beyond their records. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/select.h"

/* Print the feature masks among the keys of a cpu_info. */
static void print_features(struct xe *x, const struct wire *info)
{
    CLEANUP_TABLE struct table t = {0};

    for (uint32_t i = 0; info->kind == WIRE_STRUCT && i < info->n; i++)
        if (strncmp(info->members[i].name, "features", strlen("features")) == 0)
            table_row(&t, info->members[i].name, wire_text(x, &info->members[i].value));
    table_end_record(&t);
    out_table(&x->out, &t);
}

static int co_host_get_cpu_features(struct xe *x, struct err *e)
{
    const char *host = args_get(x->args, "uuid")
                           ? co_arg_ref(x, "uuid", "host", e)
                           : co_call_text(x, e, "session.get_this_host", "s", x->session);
    const struct wire *info = host ? co_call(x, e, "host.get_cpu_info", "s", host) : NULL;

    if (!info)
        return -1;
    print_features(x, info);
    return 0;
}

const struct command cmd_host_get_cpu_features = {
    .name = "host-get-cpu-features",
    .optional = "uuid",
    .help = "Print the masks of what a host's CPUs can do, those of the host called without uuid=.",
    .run = co_host_get_cpu_features,
};

static int co_pool_get_cpu_features(struct xe *x, struct err *e)
{
    const char *pool = co_pool(x, e);
    const struct wire *info = pool ? co_call(x, e, "pool.get_cpu_info", "s", pool) : NULL;

    if (!info)
        return -1;
    print_features(x, info);
    return 0;
}

const struct command cmd_pool_get_cpu_features = {
    .name = "pool-get-cpu-features",
    .help = "Print the masks of what the CPUs of all hosts of the pool can do.",
    .run = co_pool_get_cpu_features,
};

static int co_host_get_vms_which_prevent_evacuation(struct xe *x, struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    const char *host = co_arg_ref(x, "uuid", "host", e), *uuid;
    const struct wire *vms = host ? co_call(x, e, "host.get_vms_which_prevent_evacuation", "s", host) : NULL;

    if (!vms)
        return -1;
    for (uint32_t i = 0; vms->kind == WIRE_STRUCT && i < vms->n; i++) {
        const struct wire *why = &vms->members[i].value;
        char *text = talloc_strdup(x->ctx, "");

        if (!(uuid = co_uuid_of(x, "VM", vms->members[i].name, e)))
            return -1;
        for (uint32_t k = 0; why->kind == WIRE_ARRAY && k < why->n; k++)
            text = talloc_asprintf_append(text, "%s%s", k ? ", " : "", wire_text(x, &why->items[k]));
        table_row(&t, uuid, text);
    }
    if (t.n_rows > 0)
        table_end_record(&t);
    out_table(&x->out, &t);
    return 0;
}

const struct command cmd_host_get_vms_which_prevent_evacuation = {
    .name = "host-get-vms-which-prevent-evacuation",
    .required = "uuid",
    .help = "Print the VMs that keep a host from being emptied, and why.",
    .run = co_host_get_vms_which_prevent_evacuation,
};

static int co_bios_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const struct wire *strings = co_call(x, e, "VM.get_bios_strings", "s", vm->ref);
    const char *vendor;

    if (!strings)
        return -1;
    vendor = wire_lookup(strings, "bios-vendor");
    if (strings->kind != WIRE_STRUCT || strings->n == 0)
        out_text(&x->out, "This VM has no BIOS strings yet.");
    else if (vendor && strcmp(vendor, "Xen") == 0)
        out_text(&x->out, "This VM is BIOS-generic.");
    else
        out_text(&x->out, "This VM is BIOS-customized.");
    return 0;
}

static int co_vm_is_bios_customized(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_TEMPLATES, co_bios_of_one, e);
}

const struct command cmd_vm_is_bios_customized = {
    .name = "vm-is-bios-customized",
    .help = "Tell whether VMs have the BIOS strings of a host, those of any VM, or none yet.",
    .flags = CMD_VM,
    .run = co_vm_is_bios_customized,
};
