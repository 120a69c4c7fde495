/* CD drives of VMs and what is in them. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/devices.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/list.h"
#include "xe/select.h"

/* All VDIs in SRs of ISO images. */
static int co_fetch_isos(struct xe *x, struct records *ret, struct err *e)
{
    const struct wire *srs =
        co_call(x, e, "SR.get_all_records_where", "s", "field \"content_type\" = \"iso\"");
    struct records all;
    unsigned kept = 0;

    if (!srs || co_fetch(x, rec_class_by_name("vdi"), "true", &all, e) < 0)
        return -1;
    for (unsigned i = 0; i < all.n; i++)
        if (srs->kind == WIRE_STRUCT && wire_member(srs, member_text(x, all.r[i].fields, "SR")))
            all.r[kept++] = all.r[i];
    all.n = kept;
    *ret = all;
    return 0;
}

static int co_cd_list(struct xe *x, struct err *e)
{
    static const char *const defaults[] = {"uuid", "name-label", NULL};
    struct records isos;

    if (co_fetch_isos(x, &isos, e) < 0)
        return -1;
    return co_print_records(x, &isos, arg_names(x, "params", defaults), false, e);
}

const struct command cmd_cd_list = {
    .name = "cd-list",
    .optional = "params",
    .help = "Show the CD images in all ISO SRs.",
    .flags = CMD_STANDARD,
    .run = co_cd_list,
};

/* The one CD image that cd-name= names, or NULL. */
static const char *co_arg_cd(struct xe *x, struct err *e)
{
    const char *name = args_get(x->args, "cd-name"), *found = NULL;
    struct records isos;

    if (co_fetch_isos(x, &isos, e) < 0)
        return NULL;
    for (unsigned i = 0; i < isos.n; i++) {
        if (strcmp(member_text(x, isos.r[i].fields, "name_label"), name) != 0)
            continue;
        if (found) {
            fail_text(e, "Several CD images have the name '%s'", name);
            return NULL;
        }
        found = isos.r[i].ref;
    }
    if (!found)
        fail_text(e, "No CD image has the name '%s'", name);
    return found;
}

static int co_add_cd_to_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *cd = co_arg_cd(x, e);
    struct wire *vbd;

    if (!cd)
        return -1;
    vbd = vbd_record(x, vm->ref, cd, args_get(x->args, "device"), "RO", "CD");
    wire_add_member(x, vbd, "bootable", wire_bool(false));
    wire_add_member(x, vbd, "unpluggable", wire_bool(true));
    wire_add_member(x, vbd, "other_config", *wire_empty_struct(x));
    return co_create_and_plug(x, vbd, e);
}

static int co_vm_cd_add(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_add_cd_to_one, e);
}

const struct command cmd_vm_cd_add = {
    .name = "vm-cd-add",
    .required = "cd-name,device",
    .help = "Give VMs a CD drive with an image in it.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_cd_add,
};

static int co_remove_cd_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *cd = co_arg_cd(x, e);
    struct records vbds;

    if (!cd || co_vm_vbds(x, vm, true, &vbds, e) < 0)
        return -1;
    for (unsigned i = 0; i < vbds.n; i++)
        if (strcmp(member_text(x, vbds.r[i].fields, "VDI"), cd) == 0)
            return co_call_void(x, e, "VBD.destroy", "s", vbds.r[i].ref);
    return fail_text(e, "The VM has no drive with '%s' in it", args_get(x->args, "cd-name"));
}

static int co_vm_cd_remove(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_remove_cd_of_one, e);
}

const struct command cmd_vm_cd_remove = {
    .name = "vm-cd-remove",
    .required = "cd-name",
    .help = "Take the CD drive with an image in it from VMs.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_cd_remove,
};

/* The only CD drive of a VM that is (or is not) empty, or NULL. */
static const char *co_only_drive(struct xe *x, const struct record *vm, bool empty, struct err *e)
{
    const char *found = NULL;
    struct records vbds;

    if (co_vm_vbds(x, vm, true, &vbds, e) < 0)
        return NULL;
    for (unsigned i = 0; i < vbds.n; i++) {
        if (member_bool(vbds.r[i].fields, "empty") != empty)
            continue;
        if (found) {
            fail_text(e, "The VM has several such drives: use vbd-insert and vbd-eject");
            return NULL;
        }
        found = vbds.r[i].ref;
    }
    if (!found)
        fail_text(e, empty ? "The VM has no empty CD drive" : "The VM has no CD drive with a CD in it");
    return found;
}

static int co_eject_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *vbd = co_only_drive(x, vm, false, e);

    return vbd ? co_call_void(x, e, "VBD.eject", "s", vbd) : -1;
}

static int co_vm_cd_eject(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_eject_one, e);
}

const struct command cmd_vm_cd_eject = {
    .name = "vm-cd-eject",
    .help = "Take the CD out of the only CD drive of VMs that has one.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_cd_eject,
};

static int co_insert_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *cd = co_arg_cd(x, e), *vbd = cd ? co_only_drive(x, vm, true, e) : NULL;

    return vbd ? co_call_void(x, e, "VBD.insert", "ss", vbd, cd) : -1;
}

static int co_vm_cd_insert(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_insert_one, e);
}

const struct command cmd_vm_cd_insert = {
    .name = "vm-cd-insert",
    .required = "cd-name",
    .help = "Put a CD image into the only empty CD drive of VMs.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_cd_insert,
};
