/* VMs made of VMs: clones, copies, snapshots. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/snapshot.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"

/* Give the new VM its description, and its uuid as the result. made may be NULL: an earlier error. */
static int co_finish_copy(struct xe *x, const char *made, const char **ret_item, struct err *e)
{
    const char *description = args_get(x->args, "new-name-description");

    if (!made || (description && co_call_void(x, e, "VM.set_name_description", "ss", made, description) < 0))
        return -1;
    *ret_item = co_uuid_of(x, "VM", made, e);
    return *ret_item ? 0 : -1;
}

/* One of the messages that take a VM and the new one's name. */
static int co_copy_by(struct xe *x, const char *method, const char *vm, const char **ret_item, struct err *e)
{
    const char *name = args_get(x->args, "new-name-label");

    return co_finish_copy(x, co_call_text(x, e, method, "ss", vm, name), ret_item, e);
}

/* A full copy, on the SR that sr-uuid= names or where its disks are. */
static int co_full_copy(struct xe *x, const char *vm, const char **ret_item, struct err *e)
{
    const char *name = args_get(x->args, "new-name-label"), *sr;

    if (co_arg_ref_or_none(x, "sr-uuid", "SR", &sr, e) < 0)
        return -1;
    return co_finish_copy(x, co_call_text(x, e, "VM.copy", "sss", vm, name, sr), ret_item, e);
}

static int co_clone_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_copy_by(x, "VM.clone", vm->ref, ret_item, e);
}

static int co_vm_clone(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_TEMPLATES, co_clone_one, e);
}

const struct command cmd_vm_clone = {
    .name = "vm-clone",
    .required = "new-name-label",
    .optional = "new-name-description",
    .help = "Clone halted VMs, sharing what their disks have in common where the storage can; prints the new "
            "uuids.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_clone,
};

static int co_copy_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_full_copy(x, vm->ref, ret_item, e);
}

static int co_vm_copy(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_TEMPLATES, co_copy_one, e);
}

const struct command cmd_vm_copy = {
    .name = "vm-copy",
    .required = "new-name-label",
    .optional = "new-name-description,sr-uuid",
    .help = "Copy halted VMs with all data of their disks, perhaps to another SR; prints the new uuids.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_copy,
};

/* The set of VDIs that ignore-vdi-uuids= names, or NULL on error. */
static struct wire *co_ignored_vdis(struct xe *x, struct err *e)
{
    unsigned n;
    const char **uuids = text_split(x->ctx, args_get(x->args, "ignore-vdi-uuids"), ',', &n);

    for (unsigned i = 0; i < n; i++)
        if (!(uuids[i] = co_by_uuid(x, "VDI", uuids[i], e)))
            return NULL;
    return wire_text_set(x, uuids, n);
}

static int co_snapshot_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *name = args_get(x->args, "new-name-label");
    struct wire *ignored;

    if (!args_get(x->args, "ignore-vdi-uuids"))
        return co_copy_by(x, "VM.snapshot", vm->ref, ret_item, e);
    if (!(ignored = co_ignored_vdis(x, e)))
        return -1;
    return co_finish_copy(x, co_call_text(x, e, "VM.snapshot", "ssw", vm->ref, name, ignored), ret_item, e);
}

static int co_vm_snapshot(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_snapshot_one, e);
}

const struct command cmd_vm_snapshot = {
    .name = "vm-snapshot",
    .required = "new-name-label",
    .optional = "new-name-description,ignore-vdi-uuids",
    .help = "Take snapshots of the disks of VMs; prints the uuids of the snapshots.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_snapshot,
};

static int co_quiesce_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_copy_by(x, "VM.snapshot_with_quiesce", vm->ref, ret_item, e);
}

static int co_vm_snapshot_with_quiesce(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_quiesce_one, e);
}

const struct command cmd_vm_snapshot_with_quiesce = {
    .name = "vm-snapshot-with-quiesce",
    .required = "new-name-label",
    .optional = "new-name-description",
    .help =
        "Take snapshots of the disks of VMs after their guests have brought them to rest; prints the uuids.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_snapshot_with_quiesce,
};

static int co_checkpoint_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    return co_copy_by(x, "VM.checkpoint", vm->ref, ret_item, e);
}

static int co_vm_checkpoint(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_checkpoint_one, e);
}

const struct command cmd_vm_checkpoint = {
    .name = "vm-checkpoint",
    .required = "new-name-label",
    .optional = "new-name-description",
    .help = "Take snapshots of VMs with their memory; prints the uuids of the snapshots.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_checkpoint,
};

/* The snapshot that uuid= or snapshot-uuid= names, or NULL. */
const char *co_arg_snapshot(struct xe *x, struct err *e)
{
    const char *key = args_get(x->args, "uuid") ? "uuid" : "snapshot-uuid";
    const char *ref = co_arg_ref(x, key, "VM", e);
    const char *is = ref ? co_field(x, "VM", "is_a_snapshot", ref, e) : NULL;

    if (!is)
        return NULL;
    if (strcmp(is, "true") != 0) {
        fail_text(e, "%s is not a snapshot", args_get(x->args, key));
        return NULL;
    }
    return ref;
}

static int co_snapshot_clone(struct xe *x, struct err *e)
{
    const char *snapshot = co_arg_snapshot(x, e), *uuid;

    if (!snapshot || co_copy_by(x, "VM.clone", snapshot, &uuid, e) < 0)
        return -1;
    out_item(&x->out, uuid);
    return 0;
}

const struct command cmd_snapshot_clone = {
    .name = "snapshot-clone",
    .required = "new-name-label",
    .optional = "uuid,new-name-description",
    .help = "Make a template of a snapshot by cloning its disks; prints its uuid.",
    .flags = CMD_STANDARD,
    .run = co_snapshot_clone,
};

static int co_snapshot_copy(struct xe *x, struct err *e)
{
    const char *snapshot = co_arg_snapshot(x, e), *uuid;

    if (!snapshot || co_full_copy(x, snapshot, &uuid, e) < 0)
        return -1;
    out_item(&x->out, uuid);
    return 0;
}

const struct command cmd_snapshot_copy = {
    .name = "snapshot-copy",
    .required = "new-name-label",
    .optional = "uuid,new-name-description,sr-uuid",
    .help = "Make a template of a snapshot by copying its disks, perhaps to another SR; prints its uuid.",
    .flags = CMD_STANDARD,
    .run = co_snapshot_copy,
};

static int co_snapshot_revert(struct xe *x, struct err *e)
{
    const char *snapshot = co_arg_snapshot(x, e);

    return snapshot ? co_call_void(x, e, "VM.revert", "s", snapshot) : -1;
}

const struct command cmd_snapshot_revert = {
    .name = "snapshot-revert",
    .optional = "uuid,snapshot-uuid",
    .help = "Bring a VM back to the state that a snapshot holds.",
    .flags = CMD_STANDARD,
    .run = co_snapshot_revert,
};

static int co_snapshot_reset_powerstate(struct xe *x, struct err *e)
{
    const char *snapshot;

    if (require_force(x, "mark the snapshot as halted whatever its state is", e) < 0)
        return -1;
    snapshot = co_arg_snapshot(x, e);
    return snapshot ? co_call_void(x, e, "VM.power_state_reset", "s", snapshot) : -1;
}

const struct command cmd_snapshot_reset_powerstate = {
    .name = "snapshot-reset-powerstate",
    .optional = "uuid,snapshot-uuid,force",
    .help = "Mark a snapshot as halted in the database only. Needs --force.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_snapshot_reset_powerstate,
};
