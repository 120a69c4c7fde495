/* Virtual disks. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

/* The members of the set argument name ("tags:x"), with an empty value each. */
static struct wire *arg_set(struct xe *x, const char *name)
{
    unsigned n;
    struct arg *members = args_get_map(x->ctx, x->args, name, &n);
    const char **items = talloc_zero_array(x->ctx, const char *, n + 1);

    for (unsigned i = 0; i < n; i++)
        items[i] = members[i].key;
    return wire_text_set(x, items, n);
}

/* The type as the API spells it, or NULL. */
static const char *pick_type(const char *given, struct err *e)
{
    static const char *const types[] = {"system", "user", "suspend", "crashdump"};

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcasecmp(types[i], given) == 0)
            return types[i];
    fail_text(e, "A VDI cannot be of type '%s'; it is system, user, suspend or crashdump", given);
    return NULL;
}

static int co_vdi_create(struct xe *x, struct err *e)
{
    const char *sr = co_arg_ref(x, "sr-uuid", "SR", e), *type;
    struct wire *record = wire_empty_struct(x);
    bool sharable;
    int64_t size;

    if (!sr || !(type = pick_type(args_get_or(x->args, "type", "user"), e)) ||
        args_get_size(x->args, "virtual-size", 0, &size, e) < 0 ||
        args_get_bool(x->args, "sharable", false, &sharable, e) < 0)
        return -1;
    wire_add_member(x, record, "name_label", wire_string(args_get(x->args, "name-label")));
    wire_add_member(x, record, "name_description", wire_string(args_get_or(x->args, "name-description", "")));
    wire_add_member(x, record, "SR", wire_string(sr));
    wire_add_member(x, record, "virtual_size", wire_string(talloc_asprintf(x->ctx, "%" PRId64, size)));
    wire_add_member(x, record, "type", wire_string(type));
    wire_add_member(x, record, "sharable", wire_bool(sharable));
    wire_add_member(x, record, "read_only", wire_bool(false));
    wire_add_member(x, record, "xenstore_data", *wire_empty_struct(x));
    wire_add_member(x, record, "sm_config", *wire_arg_map(x, "sm-config"));
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
    wire_add_member(x, record, "tags", *arg_set(x, "tags"));
    return co_print_uuid(x, "VDI", co_call_text(x, e, "VDI.create", "w", record), e);
}

const struct command cmd_vdi_create = {
    .name = "vdi-create",
    .required = "sr-uuid,name-label,virtual-size",
    .optional = "sm-config:,sharable,tags:,type",
    .help = "Make a virtual disk of a size (with a unit such as GiB); prints its uuid.",
    .run = co_vdi_create,
};

static int co_vdi_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VDI", "VDI.destroy", e);
}

const struct command cmd_vdi_destroy = {
    .name = "vdi-destroy",
    .required = "uuid",
    .help = "Destroy a virtual disk and its data.",
    .run = co_vdi_destroy,
};

static int co_vdi_forget(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VDI", "VDI.forget", e);
}

const struct command cmd_vdi_forget = {
    .name = "vdi-forget",
    .required = "uuid",
    .help = "Strike a virtual disk from the database and leave its data alone.",
    .run = co_vdi_forget,
};

static int co_vdi_update(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "VDI", "VDI.update", e);
}

const struct command cmd_vdi_update = {
    .name = "vdi-update",
    .required = "uuid",
    .help = "Bring what the database says of a virtual disk up to date.",
    .run = co_vdi_update,
};

static int co_vdi_introduce(struct xe *x, struct err *e)
{
    const struct args *a = x->args;
    const char *sr = co_arg_ref(x, "sr-uuid", "SR", e), *type;
    bool sharable, read_only, managed;

    if (!sr || !(type = pick_type(args_get(a, "type"), e)) ||
        args_get_bool(a, "sharable", false, &sharable, e) < 0 ||
        args_get_bool(a, "read-only", false, &read_only, e) < 0 ||
        args_get_bool(a, "managed", true, &managed, e) < 0)
        return -1;
    return co_print_uuid(
        x, "VDI",
        co_call_text(x, e, "VDI.introduce", "sssssbbwswwb", args_get(a, "uuid"),
                     args_get_or(a, "name-label", ""), args_get_or(a, "name-description", ""), sr, type,
                     sharable, read_only, wire_arg_map(x, "other-config"), args_get(a, "location"),
                     wire_arg_map(x, "xenstore-data"), wire_arg_map(x, "sm-config"), managed),
        e);
}

const struct command cmd_vdi_introduce = {
    .name = "vdi-introduce",
    .required = "uuid,sr-uuid,type,location",
    .optional =
        "name-description,sharable,read-only,managed,other-config:,xenstore-data:,sm-config:,name-label",
    .help = "Enter a virtual disk that is already on an SR into the database; prints its uuid.",
    .run = co_vdi_introduce,
};

static int co_vdi_resize(struct xe *x, struct err *e)
{
    const char *vdi = co_arg_ref(x, "uuid", "VDI", e);
    bool online;
    int64_t size;

    if (!vdi || args_get_size(x->args, "disk-size", 0, &size, e) < 0 ||
        args_get_bool(x->args, "online", false, &online, e) < 0)
        return -1;
    return co_call_void(x, e, online ? "VDI.resize_online" : "VDI.resize", "si", vdi, size);
}

const struct command cmd_vdi_resize = {
    .name = "vdi-resize",
    .required = "uuid,disk-size",
    .optional = "online",
    .help = "Give a virtual disk another size (with a unit such as GiB).",
    .run = co_vdi_resize,
};

static int co_vdi_copy(struct xe *x, struct err *e)
{
    const char *vdi = co_arg_ref(x, "uuid", "VDI", e), *sr, *base, *into;

    if (!vdi || co_arg_ref_or_none(x, "sr-uuid", "SR", &sr, e) < 0 ||
        co_arg_ref_or_none(x, "base-vdi-uuid", "VDI", &base, e) < 0 ||
        co_arg_ref_or_none(x, "into-vdi-uuid", "VDI", &into, e) < 0)
        return -1;
    if (ref_is_none(sr) == ref_is_none(into))
        return fail_text(
            e, "Give either sr-uuid, where a new disk is made, or into-vdi-uuid, the disk to write to");
    return co_print_uuid(x, "VDI", co_call_text(x, e, "VDI.copy", "ssss", vdi, sr, base, into), e);
}

const struct command cmd_vdi_copy = {
    .name = "vdi-copy",
    .required = "uuid",
    .optional = "sr-uuid,base-vdi-uuid,into-vdi-uuid",
    .help = "Copy a virtual disk to an SR or into another disk, all of it or what differs from a base; "
            "prints the "
            "uuid of the disk written to.",
    .run = co_vdi_copy,
};

static int co_vdi_clone(struct xe *x, struct err *e)
{
    const char *name = args_get(x->args, "new-name-label");
    const char *description = args_get(x->args, "new-name-description");
    const char *vdi = co_arg_ref(x, "uuid", "VDI", e), *made;

    if (!vdi || !(made = co_call_text(x, e, "VDI.clone", "sw", vdi, wire_arg_map(x, "driver-params"))))
        return -1;
    if (name && co_call_void(x, e, "VDI.set_name_label", "ss", made, name) < 0)
        return -1;
    if (description && co_call_void(x, e, "VDI.set_name_description", "ss", made, description) < 0)
        return -1;
    return co_print_uuid(x, "VDI", made, e);
}

const struct command cmd_vdi_clone = {
    .name = "vdi-clone",
    .required = "uuid",
    .optional = "driver-params-,new-name-label,new-name-description",
    .help = "Clone a virtual disk, sharing the data where the storage can; prints the new uuid.",
    .run = co_vdi_clone,
};

static int co_vdi_snapshot(struct xe *x, struct err *e)
{
    const char *vdi = co_arg_ref(x, "uuid", "VDI", e);

    if (!vdi)
        return -1;
    return co_print_uuid(x, "VDI",
                         co_call_text(x, e, "VDI.snapshot", "sw", vdi, wire_arg_map(x, "driver-params")), e);
}

const struct command cmd_vdi_snapshot = {
    .name = "vdi-snapshot",
    .required = "uuid",
    .optional = "driver-params-",
    .help = "Take a snapshot of a virtual disk; prints its uuid.",
    .run = co_vdi_snapshot,
};

static int co_vdi_unlock(struct xe *x, struct err *e)
{
    if (require_force(x, "unlock the disk even if it is in use, which can ruin it", e) < 0)
        return -1;
    return co_on_uuid(x, "VDI", "VDI.force_unlock", e);
}

const struct command cmd_vdi_unlock = {
    .name = "vdi-unlock",
    .required = "uuid",
    .optional = "force",
    .help = "Break the lock of a virtual disk. Needs --force.",
    .run = co_vdi_unlock,
};
