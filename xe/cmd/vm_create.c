/* vm-create: a bare VM. */
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"

static void add_memory(struct xe *x, struct wire *record)
{
    wire_add_member(x, record, "memory_static_max", wire_string("268435456"));
    wire_add_member(x, record, "memory_dynamic_max", wire_string("268435456"));
    wire_add_member(x, record, "memory_dynamic_min", wire_string("134217728"));
    wire_add_member(x, record, "memory_static_min", wire_string("134217728"));
}

static void add_behaviour(struct xe *x, struct wire *record)
{
    wire_add_member(x, record, "VCPUs_params", *wire_empty_struct(x));
    wire_add_member(x, record, "VCPUs_max", wire_string("1"));
    wire_add_member(x, record, "VCPUs_at_startup", wire_string("1"));
    wire_add_member(x, record, "actions_after_shutdown", wire_string("destroy"));
    wire_add_member(x, record, "actions_after_reboot", wire_string("restart"));
    wire_add_member(x, record, "actions_after_crash", wire_string("restart"));
}

static void add_boot(struct xe *x, struct wire *record)
{
    static const char *const empty[] = {"PV_bootloader",      "PV_kernel",      "PV_ramdisk",      "PV_args",
                                        "PV_bootloader_args", "PV_legacy_args", "HVM_boot_policy", "PCI_bus",
                                        "recommendations"};

    for (unsigned i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        wire_add_member(x, record, empty[i], wire_string(""));
    wire_add_member(x, record, "HVM_boot_params", *wire_empty_struct(x));
    wire_add_member(x, record, "platform", *wire_empty_struct(x));
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
}

static int co_vm_create(struct xe *x, struct err *e)
{
    struct wire *record = wire_empty_struct(x);

    wire_add_member(x, record, "name_label", wire_string(args_get(x->args, "name-label")));
    wire_add_member(x, record, "name_description", wire_string(args_get_or(x->args, "name-description", "")));
    wire_add_member(x, record, "user_version", wire_string("0"));
    wire_add_member(x, record, "is_a_template", wire_bool(false));
    wire_add_member(x, record, "affinity", wire_string(REF_NONE));
    add_memory(x, record);
    add_behaviour(x, record);
    add_boot(x, record);
    return co_print_uuid(x, "VM", co_call_text(x, e, "VM.create", "w", record), e);
}

const struct command cmd_vm_create = {
    .name = "vm-create",
    .required = "name-label",
    .optional = "name-description",
    .help = "Make a VM without disks, with 256 MiB of memory and one CPU; prints its uuid.",
    .flags = CMD_HIDDEN,
    .run = co_vm_create,
};
