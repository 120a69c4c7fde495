/* Moving VMs between the hosts of a pool. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"
#include "xe/task.h"

/* Errors: FAIL_TEXT when an argument asks for a move to another pool, or of disks. */
static int refuse_other_pools(struct xe *x, struct err *e)
{
    static const char *const starts[] = {"remote-", "vif:", "vdi:", "vgpu:", "image-format:", "copy"};

    for (unsigned i = 0; i < x->args->n; i++)
        for (unsigned s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
            if (strncmp(x->args->arg[i].key, starts[s], strlen(starts[s])) == 0)
                return fail_text(e,
                                 "%s asks for a move to another pool or of disks, which this xe does not do",
                                 x->args->arg[i].key);
    return 0;
}

/* The text that names the host, or NULL. */
static const char *named_host(struct xe *x)
{
    static const char *const keys[] = {"host", "host-uuid", "host-name"};

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (args_get(x->args, keys[i]))
            return args_get(x->args, keys[i]);
    return NULL;
}

/* The options that were given. */
static int migrate_options(struct xe *x, struct wire **ret, struct err *e)
{
    static const char *const keys[] = {"live", "force", "compress"};

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
    const char *host = co_find_host(x, named_host(x), e), *task;
    struct wire *options;

    if (!host || migrate_options(x, &options, e) < 0)
        return -1;
    task = co_call_text(x, e, "Async.VM.pool_migrate", "ssw", vm->ref, host, options);
    return task && co_task_wait(x, task, e) ? 0 : -1;
}

static int co_vm_migrate(struct xe *x, struct err *e)
{
    if (refuse_other_pools(x, e) < 0)
        return -1;
    if (!named_host(x))
        return fail_text(e, "A host to move to is needed: host= with its uuid or name");
    return co_for_vms(x, 0, co_migrate_one, e);
}

const struct command cmd_vm_migrate = {
    .name = "vm-migrate",
    .optional = "host,host-uuid,host-name,live,force,compress",
    .help =
        "Move VMs to another host of the pool; --live keeps them running, --progress shows how far it is.",
    .flags = CMD_STANDARD | CMD_VM,
    .run = co_vm_migrate,
};
