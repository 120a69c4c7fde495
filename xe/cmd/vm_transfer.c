/* vm-export, vm-import and their kin: VMs as local files. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"

/* ---- export ---- */

/* compress= as the server spells it; NULL for none. */
static int pick_compression(struct xe *x, const char **ret, struct err *e)
{
    const char *given = args_get_or(x->args, "compress", "false");
    bool wanted;

    *ret = NULL;
    if (strcasecmp(given, "gzip") == 0 || strcasecmp(given, "zstd") == 0)
        *ret = strcasecmp(given, "gzip") == 0 ? "gzip" : "zstd";
    else if (!text_to_bool(given, &wanted))
        return fail_text(e, "compress= is true, false, gzip or zstd, not '%s'", given);
    else if (wanted)
        *ret = "true";
    return 0;
}

/* The request that the arguments make of a VM, or NULL. */
static char *export_target(struct xe *x, const char *vm_uuid, struct err *e)
{
    bool metadata, keep, snapshots;
    const char *compression;
    char *target;

    if (args_get_bool(x->args, "metadata", false, &metadata, e) < 0 ||
        args_get_bool(x->args, "preserve-power-state", false, &keep, e) < 0 ||
        args_get_bool(x->args, "include-snapshots", true, &snapshots, e) < 0 ||
        pick_compression(x, &compression, e) < 0)
        return NULL;
    target = bulk_target(x, metadata ? "/export_metadata" : "/export", "uuid", vm_uuid);
    target = bulk_target(x, target, "preserve_power_state", keep ? "true" : NULL);
    target = bulk_target(x, target, "excluded_device_types", args_get(x->args, "excluded-device-types"));
    if (metadata)
        return bulk_target(x, target, "export_snapshots", snapshots ? "true" : "false");
    return bulk_target(x, target, "use_compression", compression);
}

static int co_export_one(struct xe *x, const char *vm_uuid, const char *file, struct err *e)
{
    const char *target = export_target(x, vm_uuid, e);

    if (!target || co_download(x, target, file, e) < 0)
        return -1;
    /* What goes to stdout is the archive alone. */
    if (*file)
        out_direct(&x->out, "Export succeeded\n");
    return 0;
}

static int co_vm_export(struct xe *x, struct err *e)
{
    const char *file = args_get(x->args, "filename");
    struct records rs;

    if (co_select_vms(x, 0, &rs, e) < 0)
        return -1;
    for (unsigned i = 0; i < rs.n; i++) {
        const char *name = i == 0 || !*file ? file : talloc_asprintf(x->ctx, "%s%u", file, i + 1);
        if (co_export_one(x, member_text(x, rs.r[i].fields, "uuid"), name, e) < 0)
            return -1;
    }
    return 0;
}

const struct command cmd_vm_export = {
    .name = "vm-export",
    .required = "filename",
    .optional = "preserve-power-state,compress,metadata,excluded-device-types,include-snapshots",
    .help = "Save halted VMs as local files, with their disks or (--metadata) without; several get numbered "
            "names. An "
            "empty filename= stands for the standard output.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_export,
};

/* Export the VM that key names, which must be what is wanted: a template or a snapshot. */
static int co_export_kind(struct xe *x, const char *key, bool snapshot, struct err *e)
{
    const char *uuid = args_get(x->args, key), *vm = co_arg_ref(x, key, "VM", e);
    const struct wire *is_template, *is_snapshot;

    if (!vm || !(is_template = co_call(x, e, "VM.get_is_a_template", "s", vm)) ||
        !(is_snapshot = co_call(x, e, "VM.get_is_a_snapshot", "s", vm)))
        return -1;
    if (wire_is_true(is_snapshot) != snapshot || !wire_is_true(is_template))
        return fail_text(e, "The VM %s is no %s", uuid, snapshot ? "snapshot" : "template");
    return co_export_one(x, uuid, args_get(x->args, "filename"), e);
}

static int co_template_export(struct xe *x, struct err *e)
{
    return co_export_kind(x, "template-uuid", false, e);
}

const struct command cmd_template_export = {
    .name = "template-export",
    .required = "filename,template-uuid",
    .optional = "compress,metadata,excluded-device-types",
    .help = "Save a template as a local file, with its disks or (--metadata) without.",
    .flags = CMD_STANDARD,
    .run = co_template_export,
};

static int co_snapshot_export(struct xe *x, struct err *e)
{
    return co_export_kind(x, "snapshot-uuid", true, e);
}

const struct command cmd_snapshot_export_to_template = {
    .name = "snapshot-export-to-template",
    .required = "filename,snapshot-uuid",
    .optional = "preserve-power-state,compress,metadata,excluded-device-types",
    .help = "Save a snapshot as a local file; imported again, it is a template.",
    .flags = CMD_STANDARD,
    .run = co_snapshot_export,
};

/* ---- import ---- */

/* The uuids of the VMs that a task's result names. */
static int co_print_vms(struct xe *x, const char *result, bool dry_run, struct err *e)
{
    char *line = talloc_strdup(x->ctx, ""), ref[sizeof("OpaqueRef:01234567-89ab-cdef-0123-456789abcdef")];

    for (const char *at = result; (at = strstr(at, "OpaqueRef:")) != NULL; at += strlen(ref)) {
        snprintf(ref, sizeof(ref), "%s", at);
        const char *uuid = co_uuid_of(x, "VM", ref, e);
        if (!uuid)
            return -1;
        line = talloc_asprintf_append(line, "%s%s", *line ? "," : "", uuid);
    }
    out_direct(&x->out, "%s\n", *line || !dry_run ? line : "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    return 0;
}

struct vm_import {
    bool metadata, dry_run, force, restore;
    const char *sr; /* NULL: not needed */
};

static int co_read_import(struct xe *x, struct vm_import *i, struct err *e)
{
    if (args_get_bool(x->args, "metadata", false, &i->metadata, e) < 0 ||
        args_get_bool(x->args, "dry-run", false, &i->dry_run, e) < 0 ||
        args_get_bool(x->args, "force", false, &i->force, e) < 0 ||
        args_get_bool(x->args, "preserve", false, &i->restore, e) < 0)
        return -1;
    if (i->dry_run && !i->metadata)
        return fail_text(e, "A dry run is possible with --metadata only");
    i->sr = i->metadata ? NULL : co_arg_or_default_sr(x, e);
    return i->metadata || i->sr ? 0 : -1;
}

static int co_import_file(struct xe *x, const char *file, const struct vm_import *i, struct err *e)
{
    char *target = bulk_target(x, i->metadata ? "/import_metadata" : "/import", "sr_id", i->sr);
    const char *result;
    unsigned n;
    struct arg *vdis = args_get_map(x->ctx, x->args, "vdi", &n);

    target = bulk_target(x, target, "restore", i->restore ? "true" : "false");
    target = bulk_target(x, target, "force", i->force ? "true" : "false");
    target = bulk_target(x, target, "dry_run", i->dry_run ? "true" : NULL);
    for (unsigned k = 0; k < n; k++)
        target = bulk_target(x, target, talloc_asprintf(x->ctx, "vdi:%s", vdis[k].key), vdis[k].value);
    result = co_upload(x, target, file, e);
    return result ? co_print_vms(x, result, i->dry_run, e) : -1;
}

static int co_import_url(struct xe *x, const char *url, const struct vm_import *i, struct err *e)
{
    const struct wire *vms =
        co_call(x, e, "VM.import", "ssbb", url, i->sr ? i->sr : REF_NONE, i->restore, i->force);
    char *refs = talloc_strdup(x->ctx, "");

    for (uint32_t k = 0; vms && vms->kind == WIRE_ARRAY && k < vms->n; k++)
        refs = talloc_asprintf_append(refs, "%s ", wire_text(x, &vms->items[k]));
    return vms ? co_print_vms(x, refs, false, e) : -1;
}

/* From another product, by the server's converter. */
static int co_convert(struct xe *x, struct err *e)
{
    const struct args *a = x->args;
    const char *sr = co_arg_or_default_sr(x, e);

    if (!sr)
        return -1;
    return co_call_void(x, e, "VM.import_convert", "ssssw", args_get(a, "type"),
                        args_get_or(a, "host-username", ""), args_get_or(a, "host-password", ""), sr,
                        wire_arg_map(x, "remote-config"));
}

static int co_vm_import(struct xe *x, struct err *e)
{
    const char *file = args_get(x->args, "filename"), *url = args_get(x->args, "url");
    struct vm_import i = {0};

    if (args_get(x->args, "type"))
        return co_convert(x, e);
    if (!file == !url)
        return fail_text(e, "Give either filename= or url=");
    if (co_read_import(x, &i, e) < 0)
        return -1;
    return file ? co_import_file(x, file, &i, e) : co_import_url(x, url, &i, e);
}

const struct command cmd_vm_import = {
    .name = "vm-import",
    .optional = "filename,preserve,sr-uuid,force,host-username,host-password,type,remote-config:,dry-run,"
                "metadata,url,vdi:",
    .help = "Make the VMs of a file that vm-export wrote, on the pool's default SR or that of sr-uuid=; "
            "--preserve keeps "
            "uuids and MAC addresses. Prints the new uuids.",
    .flags = CMD_STANDARD,
    .run = co_vm_import,
};
