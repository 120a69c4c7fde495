/* Moving VMs between the hosts of a pool, or to another pool (vm_migrate_remote.c). */
#include "xe/cmd/vm_migrate.h"
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"
#include "xe/task.h"

const char *migrate_named_host(struct xe *x)
{
    static const char *const keys[] = {"host", "host-uuid", "host-name"};

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (args_get(x->args, keys[i]))
            return args_get(x->args, keys[i]);
    return NULL;
}

int migrate_options(struct xe *x, struct wire **ret, struct err *e)
{
    static const char *const keys[] = {"live", "force", "copy", "compress"};

    *ret = wire_empty_struct(x);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        bool value;

        if (args_get_bool(x->args, keys[i], false, &value, e) < 0)
            return -1;
        if (args_get(x->args, keys[i]))
            wire_add_member(x, *ret, keys[i], wire_string(value ? "true" : "false"));
    }
    return 0;
}

static int co_migrate_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    const char *host = co_find_host(x, migrate_named_host(x), e), *task;
    struct wire *options;

    if (!host || migrate_options(x, &options, e) < 0)
        return -1;
    task = co_call_text(x, e, "Async.VM.pool_migrate", "ssw", vm->ref, host, options);
    return task && co_task_wait(x, task, e) ? 0 : -1;
}

static int co_vm_migrate(struct xe *x, struct err *e)
{
    if (migrate_is_remote(x))
        return co_migrate_remote(x, e);
    if (!migrate_named_host(x))
        return fail_text(e, "A host to move to is needed: host= with its uuid or name");
    return co_for_vms(x, 0, co_migrate_one, e);
}

const struct command cmd_vm_migrate = {
    .name = "vm-migrate",
    .optional = "host,host-uuid,host-name,live,force,compress,copy,remote-master,remote-username,"
                "remote-password,remote-network,vif:,vdi:,image-format:",
    .help = "Move VMs to another host of the pool; --live keeps them running, --progress shows how far it "
            "is. With "
            "remote-master= (HOST or HOST:PORT), remote-username= and remote-password= to a host of another "
            "pool: "
            "vdi:DISK=SR and vif:VIF=NETWORK say where disks and NICs go, copy=true leaves the VM here.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_migrate,
};
