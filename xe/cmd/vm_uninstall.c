/* Destroying VMs, templates and snapshots, with or without their disks. */
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/cache.h"
#include "xe/cmd/common.h"
#include "xe/cmd/snapshot.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"

/* What is about to be destroyed. */
struct doomed {
    unsigned n_vms, n_vdis;
    const char **vms, **vdis;
};

static void add_ref(struct xe *x, const char ***list, unsigned *n, const char *ref)
{
    for (unsigned i = 0; i < *n; i++)
        if (strcmp((*list)[i], ref) == 0)
            return;
    *list = talloc_realloc(x->ctx, *list, const char *, *n + 1);
    if (!*list)
        mem_abort();
    (*list)[(*n)++] = ref;
}

/* The disks that belong to a VM: those its VBDs say it owns, and its memory image. */
static int co_add_disks(struct xe *x, const struct wire *vm, struct doomed *d, struct err *e)
{
    const struct wire *vbds = wire_member(vm, "VBDs");
    const char *image = member_text(x, vm, "suspend_VDI");

    for (uint32_t i = 0; vbds && vbds->kind == WIRE_ARRAY && i < vbds->n; i++) {
        const struct wire *vbd = co_call(x, e, "VBD.get_record", "s", wire_text(x, &vbds->items[i]));

        if (!vbd)
            return -1;
        if (wire_lookup(wire_member(vbd, "other_config"), "owner") &&
            !ref_is_none(member_text(x, vbd, "VDI")))
            add_ref(x, &d->vdis, &d->n_vdis, member_text(x, vbd, "VDI"));
    }
    if (!ref_is_none(image))
        add_ref(x, &d->vdis, &d->n_vdis, image);
    return 0;
}

static int co_add_vm(struct xe *x, const char *ref, bool with_snapshots, struct doomed *d, struct err *e)
{
    const struct wire *vm = co_call(x, e, "VM.get_record", "s", ref), *snapshots;

    if (!vm)
        return -1;
    add_ref(x, &d->vms, &d->n_vms, ref);
    cache_put(x, "VM", ref, vm);
    if (co_add_disks(x, vm, d, e) < 0)
        return -1;
    snapshots = with_snapshots ? wire_member(vm, "snapshots") : NULL;
    for (uint32_t i = 0; snapshots && snapshots->kind == WIRE_ARRAY && i < snapshots->n; i++)
        if (co_add_vm(x, wire_text(x, &snapshots->items[i]), false, d, e) < 0)
            return -1;
    return 0;
}

static void co_print_doomed(struct xe *x, const struct doomed *d)
{
    out_direct(&x->out, "The following items are about to be destroyed\n");
    for (unsigned i = 0; i < d->n_vms; i++) {
        const struct wire *vm = co_cache_get(x, "VM", d->vms[i]);

        if (vm)
            out_direct(&x->out, "VM : %s (%s)\n", member_text(x, vm, "uuid"),
                       member_text(x, vm, "name_label"));
    }
    for (unsigned i = 0; i < d->n_vdis; i++) {
        const struct wire *vdi = co_cache_get(x, "VDI", d->vdis[i]), *vbds;

        if (!vdi)
            continue;
        vbds = wire_member(vdi, "VBDs");
        out_direct(&x->out, "VDI: %s (%s) %s\n", member_text(x, vdi, "uuid"),
                   member_text(x, vdi, "name_label"),
                   vbds && vbds->n > 1 ? "** WARNING: disk is shared by other VMs" : "");
    }
}

static int co_destroy_vm(struct xe *x, const char *vm, struct err *e)
{
    const char *state = co_field(x, "VM", "power_state", vm, e);

    if (!state || (strcmp(state, "Halted") != 0 && co_call_void(x, e, "VM.hard_shutdown", "s", vm) < 0))
        return -1;
    return co_call_void(x, e, "VM.destroy", "s", vm);
}

/* Say what will go, ask about it unless --force was given, and destroy it. */
static int co_destroy_all(struct xe *x, const struct doomed *d, struct err *e)
{
    bool force;

    if (args_get_bool(x->args, "force", false, &force, e) < 0)
        return -1;
    co_print_doomed(x, d);
    if (!force && confirm(x, e) < 0)
        return -1;
    for (unsigned i = 0; i < d->n_vms; i++)
        if (co_destroy_vm(x, d->vms[i], e) < 0)
            return -1;
    for (unsigned i = 0; i < d->n_vdis; i++) {
        CLEANUP_ERR struct err gone = {0};

        if (!co_call(x, &gone, "VDI.destroy", "s", d->vdis[i]) && !err_is(&gone, "HANDLE_INVALID")) {
            err_move(e, &gone);
            return -1;
        }
    }
    out_direct(&x->out, "All objects destroyed\n");
    return 0;
}

static int co_vm_uninstall(struct xe *x, struct err *e)
{
    struct doomed d = {0};
    struct records rs;

    if (co_select_vms(x, 0, &rs, e) < 0)
        return -1;
    for (unsigned i = 0; i < rs.n; i++)
        if (co_add_vm(x, rs.r[i].ref, true, &d, e) < 0)
            return -1;
    return co_destroy_all(x, &d, e);
}

const struct command cmd_vm_uninstall = {
    .name = "vm-uninstall",
    .optional = "force",
    .help = "Destroy VMs with their snapshots and the disks they own, after asking; --force does not ask.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_uninstall,
};

static int co_template_uninstall(struct xe *x, struct err *e)
{
    const char *ref = co_arg_ref(x, "template-uuid", "VM", e), *is;
    struct doomed d = {0};

    if (!ref || !(is = co_field(x, "VM", "is_a_template", ref, e)))
        return -1;
    if (strcmp(is, "true") != 0)
        return fail_text(e, "%s is not a template", args_get(x->args, "template-uuid"));
    return co_add_vm(x, ref, false, &d, e) < 0 ? -1 : co_destroy_all(x, &d, e);
}

const struct command cmd_template_uninstall = {
    .name = "template-uninstall",
    .required = "template-uuid",
    .optional = "force",
    .help = "Destroy a template with the disks it owns, after asking; --force does not ask.",
    .flags = CMD_STANDARD,
    .run = co_template_uninstall,
};

static int co_snapshot_uninstall(struct xe *x, struct err *e)
{
    const char *ref = co_arg_snapshot(x, e);
    struct doomed d = {0};

    return !ref || co_add_vm(x, ref, false, &d, e) < 0 ? -1 : co_destroy_all(x, &d, e);
}

const struct command cmd_snapshot_uninstall = {
    .name = "snapshot-uninstall",
    .optional = "uuid,snapshot-uuid,force",
    .help = "Destroy a snapshot with its disks, after asking; --force does not ask.",
    .flags = CMD_STANDARD,
    .run = co_snapshot_uninstall,
};

static int co_snapshot_destroy(struct xe *x, struct err *e)
{
    const char *ref = co_arg_snapshot(x, e);

    return ref ? co_destroy_vm(x, ref, e) : -1;
}

const struct command cmd_snapshot_destroy = {
    .name = "snapshot-destroy",
    .optional = "uuid,snapshot-uuid",
    .help = "Destroy a snapshot and keep its disks.",
    .run = co_snapshot_destroy,
};

static int co_vm_destroy(struct xe *x, struct err *e)
{
    const char *ref = co_arg_ref(x, "uuid", "VM", e), *is;

    if (!ref || !(is = co_field(x, "VM", "is_control_domain", ref, e)))
        return -1;
    if (strcmp(is, "true") == 0)
        return fail_text(e, "%s is a control domain, which cannot be destroyed", args_get(x->args, "uuid"));
    return co_call_void(x, e, "VM.destroy", "s", ref);
}

const struct command cmd_vm_destroy = {
    .name = "vm-destroy",
    .required = "uuid",
    .help = "Destroy a VM and keep its disks.",
    .run = co_vm_destroy,
};
