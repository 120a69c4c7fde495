/* Files for the server that are no disks and VMs: backups, updates, patches; and reports from it. */
#include <string.h>
#include <talloc.h>
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/select.h"

/* ---- a host's own files ---- */

static int co_backup(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_download(x, bulk_target(x, "/host_backup", "host_id", r->ref), args_get(x->args, "file-name"),
                       e);
}

static int co_host_backup(struct xe *x, struct err *e)
{
    return co_for_hosts(x, SELECT_ONE, co_backup, e);
}

const struct command cmd_host_backup = {
    .name = "host-backup",
    .required = "file-name",
    .optional = "progress",
    .flags = CMD_HOST,
    .help = "Save what a host's own system holds as a local file.",
    .run = co_host_backup,
};

static int co_restore(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_upload(x, bulk_target(x, "/host_restore", "host_id", r->ref), args_get(x->args, "file-name"), e)
               ? 0
               : -1;
}

static int co_host_restore(struct xe *x, struct err *e)
{
    return co_for_hosts(x, SELECT_ONE, co_restore, e);
}

const struct command cmd_host_restore = {
    .name = "host-restore",
    .required = "file-name",
    .optional = "progress",
    .flags = CMD_HOST,
    .help = "Put back into a host's own system what host-backup saved.",
    .run = co_host_restore,
};

/* ---- updates ---- */

static int co_patch_upload(struct xe *x, struct err *e)
{
    const char *pool = co_pool(x, e);
    const char *sr = pool ? co_call_text(x, e, "pool.get_default_SR", "s", pool) : NULL;
    if (!sr)
        return -1;
    char *target = bulk_target(x, "/pool_patch_upload", "sr_id", ref_is_none(sr) ? NULL : sr);
    const char *patch = co_upload(x, target, args_get(x->args, "file-name"), e);
    return patch ? co_print_uuid(x, "pool_patch", patch, e) : -1;
}

const struct command cmd_patch_upload = {
    .name = "patch-upload",
    .required = "file-name",
    .optional = "progress",
    .help = "Send a patch to the pool; prints its uuid.",
    .run = co_patch_upload,
};

/* The update that the disk holds, named after the file; NULL when it holds none. */
static const char *co_introduce(struct xe *x, const char *vdi, struct err *e)
{
    const char *file = args_get(x->args, "file-name"), *slash = strrchr(file, '/');
    const char *update = co_call_text(x, e, "pool_update.introduce", "s", vdi);
    const char *kept = update ? co_call_text(x, e, "pool_update.get_vdi", "s", update) : NULL;
    if (!kept || (!ref_is_none(kept) &&
                  co_call_void(x, e, "VDI.set_name_label", "ss", kept, slash ? slash + 1 : file) < 0))
        return NULL;
    return update;
}

static int co_update_upload(struct xe *x, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const char *sr = co_arg_or_default_sr(x, e);
    if (!sr)
        return -1;
    const char *vdi =
        co_upload(x, bulk_target(x, "/import_raw_vdi", "sr_id", sr), args_get(x->args, "file-name"), e);
    if (!vdi)
        return -1;
    const char *update = co_introduce(x, vdi, e);
    if (update)
        return co_print_uuid(x, "pool_update", update, e);
    co_call_void(x, &ignored, "VDI.destroy", "s", vdi);
    return -1;
}

const struct command cmd_update_upload = {
    .name = "update-upload",
    .required = "file-name",
    .optional = "sr-uuid,progress",
    .help = "Send an update to the pool as a disk of an SR; prints its uuid.",
    .run = co_update_upload,
};

static int co_pool_sync_bundle(struct xe *x, struct err *e)
{
    return co_upload(x, "/bundle", args_get(x->args, "filename"), e) ? 0 : -1;
}

const struct command cmd_pool_sync_bundle = {
    .name = "pool-sync-bundle",
    .required = "filename",
    .optional = "progress",
    .help = "Send a bundle of updates and bring the pool's repository in line with it.",
    .run = co_pool_sync_bundle,
};

/* ---- reports of the workload balancing server ---- */

static int co_pool_retrieve_wlb_report(struct xe *x, struct err *e)
{
    static const char *const not_passed[] = {"report", "filename", "progress"};
    char *target = bulk_target(x, "/wlb_report", "report", args_get(x->args, "report"));
    for (unsigned i = 0; i < x->args->n; i++) {
        const struct arg *a = &x->args->arg[i];
        bool own = args_is_common(a->key);
        for (unsigned k = 0; k < sizeof not_passed / sizeof not_passed[0]; k++)
            own = own || strcmp(a->key, not_passed[k]) == 0;
        if (!own)
            target = bulk_target(x, target, a->key, a->value);
    }
    return co_download(x, target, args_get_or(x->args, "filename", ""), e);
}

const struct command cmd_pool_retrieve_wlb_report = {
    .name = "pool-retrieve-wlb-report",
    .required = "report",
    .optional = "filename,progress",
    .help = "Save a report of the workload balancing server, or print it; other arguments are the report's.",
    .run = co_pool_retrieve_wlb_report,
};

static int co_pool_retrieve_wlb_diagnostics(struct xe *x, struct err *e)
{
    return co_download(x, "/wlb_diagnostics", args_get_or(x->args, "filename", ""), e);
}

const struct command cmd_pool_retrieve_wlb_diagnostics = {
    .name = "pool-retrieve-wlb-diagnostics",
    .optional = "filename,progress",
    .help = "Save what the workload balancing server has logged, or print it.",
    .run = co_pool_retrieve_wlb_diagnostics,
};
