/* The disks, CD drives and NICs of VMs: lists, and disks added and removed. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/devices.h"
#include "xe/cmd/snapshot.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/list.h"
#include "xe/select.h"

static const char *const disk_vbd_params[] = {"uuid", "vm-name-label", "userdevice", NULL};
static const char *const cd_vbd_params[] = {"uuid", "vm-name-label", "userdevice", "empty", NULL};
static const char *const vdi_params[] = {"uuid", "name-label", "sr-name-label", "virtual-size", NULL};
static const char *const vif_params[] = {
    "uuid", "device", "MAC", "network-uuid", "network-name-label", "vm-name-label", NULL};

/* The records that the references in a field of r point at. */
static int co_fetch_members(struct xe *x, const struct record *r, const char *field, const char *cls,
                            struct records *ret, struct err *e)
{
    const struct wire *refs = wire_member(r->fields, field);
    const struct rec_class *c = rec_class_by_name(cls);
    char *method = talloc_asprintf(x->ctx, "%s.get_record", c->api);

    *ret = (struct records){0};
    if (!refs || refs->kind != WIRE_ARRAY)
        return 0;
    ret->r = talloc_zero_array(x->ctx, struct record, refs->n + 1);
    for (uint32_t i = 0; i < refs->n; i++) {
        const char *ref = wire_text(x, &refs->items[i]);
        const struct wire *fields = co_call(x, e, method, "s", ref);

        if (!fields)
            return -1;
        ret->r[ret->n++] = (struct record){c, ref, fields};
    }
    return 0;
}

static int by_userdevice(const void *a, const void *b)
{
    const struct record *ra = a, *rb = b;
    const char *da = wire_member_string(ra->fields, "userdevice"),
               *db = wire_member_string(rb->fields, "userdevice");
    long na = da ? strtol(da, NULL, 10) : 0, nb = db ? strtol(db, NULL, 10) : 0;

    return na < nb ? -1 : na > nb;
}

/* The VBDs of a VM that are of this type (CD or, when false, not), by their place. */
int co_vm_vbds(struct xe *x, const struct record *vm, bool cd, struct records *ret, struct err *e)
{
    unsigned kept = 0;

    if (co_fetch_members(x, vm, "VBDs", "vbd", ret, e) < 0)
        return -1;
    for (unsigned i = 0; i < ret->n; i++)
        if ((strcmp(member_text(x, ret->r[i].fields, "type"), "CD") == 0) == cd)
            ret->r[kept++] = ret->r[i];
    ret->n = kept;
    if (kept > 1)
        qsort(ret->r, kept, sizeof(ret->r[0]), by_userdevice);
    return 0;
}

/* One drive: its VBD and, unless it is empty, the VDI in it. */
static int co_print_drive(struct xe *x, const struct record *vbd, const char *kind, unsigned number,
                          struct err *e)
{
    const char *const *defaults = strcmp(kind, "CD") == 0 ? cd_vbd_params : disk_vbd_params;
    struct record vdi = {.cls = rec_class_by_name("vdi"), .ref = member_text(x, vbd->fields, "VDI")};

    out_text(&x->out, talloc_asprintf(x->ctx, "%s %u VBD:", kind, number));
    if (co_print_records(x, &(struct records){1, (struct record *)vbd}, arg_names(x, "vbd-params", defaults),
                         false, e) < 0)
        return -1;
    if (member_bool(vbd->fields, "empty") || ref_is_none(vdi.ref))
        return 0;
    if (!(vdi.fields = co_call(x, e, "VDI.get_record", "s", vdi.ref)))
        return -1;
    out_text(&x->out, talloc_asprintf(x->ctx, "%s %u VDI:", kind, number));
    return co_print_records(x, &(struct records){1, &vdi}, arg_names(x, "vdi-params", vdi_params), false, e);
}

static int co_print_drives(struct xe *x, const struct record *vm, bool cd, struct err *e)
{
    struct records vbds;

    if (co_vm_vbds(x, vm, cd, &vbds, e) < 0)
        return -1;
    for (unsigned i = 0; i < vbds.n; i++)
        if (co_print_drive(x, &vbds.r[i], cd ? "CD" : "Disk", i, e) < 0)
            return -1;
    return 0;
}

static int co_disks_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_print_drives(x, vm, false, e);
}

static int co_vm_disk_list(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_CONTROL_DOMAINS, co_disks_of_one, e);
}

const struct command cmd_vm_disk_list = {
    .name = "vm-disk-list",
    .optional = "vbd-params,vdi-params",
    .help = "Show the disks of VMs: for each its VBD and its VDI, with the parameters that vbd-params and "
            "vdi-params "
            "name.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_disk_list,
};

static int co_cds_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_print_drives(x, vm, true, e);
}

static int co_vm_cd_list(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_CONTROL_DOMAINS, co_cds_of_one, e);
}

const struct command cmd_vm_cd_list = {
    .name = "vm-cd-list",
    .optional = "vbd-params,vdi-params",
    .help = "Show the CD drives of VMs: for each its VBD and the VDI in it, with the parameters that "
            "vbd-params and "
            "vdi-params name.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_cd_list,
};

static int co_snapshot_disk_list(struct xe *x, struct err *e)
{
    struct record snapshot = {.cls = rec_class_by_name("snapshot"), .ref = co_arg_snapshot(x, e)};

    if (!snapshot.ref || !(snapshot.fields = co_call(x, e, "VM.get_record", "s", snapshot.ref)))
        return -1;
    return co_print_drives(x, &snapshot, false, e);
}

const struct command cmd_snapshot_disk_list = {
    .name = "snapshot-disk-list",
    .optional = "uuid,snapshot-uuid,vbd-params,vdi-params",
    .help = "Show the disks of a snapshot: for each its VBD and its VDI.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_snapshot_disk_list,
};

static int co_vifs_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    struct records vifs;

    if (co_fetch_members(x, vm, "VIFs", "vif", &vifs, e) < 0)
        return -1;
    return co_print_records(x, &vifs, arg_names(x, "params", vif_params), false, e);
}

static int co_vm_vif_list(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_ANY_NUMBER | SELECT_CONTROL_DOMAINS, co_vifs_of_one, e);
}

const struct command cmd_vm_vif_list = {
    .name = "vm-vif-list",
    .help = "Show the NICs of VMs.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_vif_list,
};

/* The record of a VBD to be made; mode and type as on the wire. */
struct wire *vbd_record(struct xe *x, const char *vm, const char *vdi, const char *device, const char *mode,
                        const char *type)
{
    struct wire *record = wire_empty_struct(x);

    wire_add_member(x, record, "VM", wire_string(vm));
    wire_add_member(x, record, "VDI", wire_string(vdi));
    wire_add_member(x, record, "userdevice", wire_string(device));
    wire_add_member(x, record, "mode", wire_string(mode));
    wire_add_member(x, record, "type", wire_string(type));
    wire_add_member(x, record, "empty", wire_bool(ref_is_none(vdi)));
    wire_add_member(x, record, "qos_algorithm_type", wire_string(""));
    wire_add_member(x, record, "qos_algorithm_params", *wire_empty_struct(x));
    return record;
}

/* Make a VBD and plug it where the VM runs; a refused plug is no error. */
int co_create_and_plug(struct xe *x, const struct wire *record, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *vbd = co_call_text(x, e, "VBD.create", "w", record);

    if (!vbd)
        return -1;
    co_call(x, &ignored, "VBD.plug", "s", vbd);
    return 0;
}

static struct wire *new_disk(struct xe *x, const char *sr, const char *size)
{
    struct wire *record = wire_empty_struct(x);

    wire_add_member(x, record, "name_label", wire_string("Created by xe"));
    wire_add_member(x, record, "name_description", wire_string(""));
    wire_add_member(x, record, "SR", wire_string(sr));
    wire_add_member(x, record, "virtual_size", wire_string(size));
    wire_add_member(x, record, "type", wire_string("user"));
    wire_add_member(x, record, "sharable", wire_bool(false));
    wire_add_member(x, record, "read_only", wire_bool(false));
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
    return record;
}

static int co_add_disk_to_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const struct arg owner = {"owner", ""};
    const char *sr = co_arg_or_default_sr(x, e), *vdi;
    struct wire *vbd;
    int64_t size;

    if (!sr || args_get_size(x->args, "disk-size", 0, &size, e) < 0)
        return -1;
    vdi = co_call_text(x, e, "VDI.create", "w",
                       new_disk(x, sr, talloc_asprintf(x->ctx, "%lld", (long long)size)));
    if (!vdi)
        return -1;
    vbd = vbd_record(x, vm->ref, vdi, args_get(x->args, "device"), "RW", "Disk");
    wire_add_member(x, vbd, "bootable", wire_bool(false));
    wire_add_member(x, vbd, "unpluggable", wire_bool(true));
    wire_add_member(x, vbd, "other_config", *wire_text_map(x, &owner, 1));
    if (co_create_and_plug(x, vbd, e) == 0)
        return 0;
    co_call(x, &ignored, "VDI.destroy", "s", vdi);
    return -1;
}

static int co_vm_disk_add(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_add_disk_to_one, e);
}

const struct command cmd_vm_disk_add = {
    .name = "vm-disk-add",
    .required = "disk-size,device",
    .optional = "sr-uuid",
    .help = "Make a disk, on the pool's default SR unless told otherwise, and connect it to VMs.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_disk_add,
};

static int co_remove_disk_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *device = args_get(x->args, "device"), *vdi;
    struct records vbds;

    if (co_vm_vbds(x, vm, false, &vbds, e) < 0)
        return -1;
    for (unsigned i = 0; i < vbds.n; i++) {
        if (strcmp(member_text(x, vbds.r[i].fields, "userdevice"), device) != 0)
            continue;
        vdi = member_text(x, vbds.r[i].fields, "VDI");
        if (co_call_void(x, e, "VBD.destroy", "s", vbds.r[i].ref) < 0)
            return -1;
        return ref_is_none(vdi) ? 0 : co_call_void(x, e, "VDI.destroy", "s", vdi);
    }
    return fail_text(e, "The VM has no disk at device %s", device);
}

static int co_vm_disk_remove(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_remove_disk_of_one, e);
}

const struct command cmd_vm_disk_remove = {
    .name = "vm-disk-remove",
    .required = "device",
    .help = "Disconnect the disk at a device from VMs and destroy it.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_disk_remove,
};
