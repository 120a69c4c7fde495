/* pool-dump-database, pool-restore-database: the pool's database as a local file. */
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"

static int co_pool_dump_database(struct xe *x, struct err *e)
{
    return co_download(x, "/pool/xmldbdump", args_get(x->args, "file-name"), e);
}

const struct command cmd_pool_dump_database = {
    .name = "pool-dump-database",
    .required = "file-name",
    .optional = "progress",
    .help = "Save the pool's database as a local file, which holds secrets: keep it safe. An empty "
            "file-name= stands for the standard output.",
    .run = co_pool_dump_database,
};

static int co_pool_restore_database(struct xe *x, struct err *e)
{
    bool dry_run;
    char *target;

    if (args_get_bool(x->args, "dry-run", false, &dry_run, e) < 0)
        return -1;
    if (!dry_run && require_force(x, "replace the pool's database and restart the host's toolstack", e) < 0)
        return -1;
    target = bulk_target(x, "/pool/xmldbdump", "dry_run", dry_run ? "true" : "false");
    return co_upload(x, target, args_get(x->args, "file-name"), e) ? 0 : -1;
}

const struct command cmd_pool_restore_database = {
    .name = "pool-restore-database",
    .required = "file-name",
    .optional = "dry-run,force,progress",
    .help = "Replace the pool's database by one that pool-dump-database saved; the toolstack starts anew "
            "with it, guests go on. With dry-run=true the file is only looked at. Else --force is needed.",
    .run = co_pool_restore_database,
};
