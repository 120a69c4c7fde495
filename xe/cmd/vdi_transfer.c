/* vdi-export, vdi-import: a disk's content as a local file. */
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"

/* The request for the disk that uuid= names, or NULL. */
static char *co_target(struct xe *x, const char *path, struct err *e)
{
    const char *vdi = co_arg_ref(x, "uuid", "VDI", e);

    if (!vdi)
        return NULL;
    return bulk_target(x, bulk_target(x, path, "vdi", vdi), "format", args_get_or(x->args, "format", "raw"));
}

static int co_vdi_export(struct xe *x, struct err *e)
{
    char *target = co_target(x, "/export_raw_vdi", e);

    if (!target)
        return -1;
    target = bulk_target(x, target, "base", args_get(x->args, "base"));
    return co_download(x, target, args_get(x->args, "filename"), e);
}

const struct command cmd_vdi_export = {
    .name = "vdi-export",
    .required = "uuid,filename",
    .optional = "format,base,progress",
    .help = "Save a virtual disk as a local file, raw or (format=) as vhd or qcow2; with base=, only what "
            "differs "
            "from that "
            "disk. An empty filename= stands for the standard output.",
    .run = co_vdi_export,
};

static int co_vdi_import(struct xe *x, struct err *e)
{
    char *target = co_target(x, "/import_raw_vdi", e);

    return target && co_upload(x, target, args_get(x->args, "filename"), e) ? 0 : -1;
}

const struct command cmd_vdi_import = {
    .name = "vdi-import",
    .required = "uuid,filename",
    .optional = "format,progress",
    .help = "Overwrite a virtual disk with a local file, which is raw or (format=) vhd or qcow2.",
    .run = co_vdi_import,
};
