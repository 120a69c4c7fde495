/* Small verbs on hosts, the pool, tasks, messages, secrets and the user. */
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"

static int co_disable_one(struct xe *x, const struct record *host, const char **ret_item, struct err *e)
{
    bool auto_enable;

    if (!args_get(x->args, "auto-enable"))
        return co_call_void(x, e, "host.disable", "s", host->ref);
    if (args_get_bool(x->args, "auto-enable", true, &auto_enable, e) < 0)
        return -1;
    return co_call_void(x, e, "host.disable", "sb", host->ref, auto_enable);
}

static int co_host_disable(struct xe *x, struct err *e)
{
    return co_for_hosts(x, 0, co_disable_one, e);
}

const struct command cmd_host_disable = {
    .name = "host-disable",
    .optional = "auto-enable",
    .help = "Let no more VMs start on hosts; with auto-enable=false not even after a restart.",
    .flags = CMD_HOST,
    .run = co_host_disable,
};

static int co_enable_one(struct xe *x, const struct record *host, const char **ret_item, struct err *e)
{
    return co_call_void(x, e, "host.enable", "s", host->ref);
}

static int co_host_enable(struct xe *x, struct err *e)
{
    return co_for_hosts(x, 0, co_enable_one, e);
}

const struct command cmd_host_enable = {
    .name = "host-enable",
    .help = "Let VMs start on hosts again.",
    .flags = CMD_HOST,
    .run = co_host_enable,
};

static int co_pool_sync_database(struct xe *x, struct err *e)
{
    return co_call_void(x, e, "pool.sync_database", "");
}

const struct command cmd_pool_sync_database = {
    .name = "pool-sync-database",
    .help = "Bring every host's copy of the database up to date now.",
    .run = co_pool_sync_database,
};

static int co_task_cancel(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "task", "task.cancel", e);
}

const struct command cmd_task_cancel = {
    .name = "task-cancel",
    .required = "uuid",
    .help = "Ask a task to stop.",
    .run = co_task_cancel,
};

static int co_secret_create(struct xe *x, struct err *e)
{
    struct wire *record = wire_empty_struct(x);

    wire_add_member(x, record, "value", wire_string(args_get(x->args, "value")));
    wire_add_member(x, record, "other_config", *wire_arg_map(x, "other-config"));
    return co_print_uuid(x, "secret", co_call_text(x, e, "secret.create", "w", record), e);
}

const struct command cmd_secret_create = {
    .name = "secret-create",
    .required = "value",
    .help = "Keep a secret, such as a storage password, that settings can name by uuid; prints the uuid.",
    .run = co_secret_create,
};

static int co_secret_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "secret", "secret.destroy", e);
}

const struct command cmd_secret_destroy = {
    .name = "secret-destroy",
    .required = "uuid",
    .help = "Destroy a secret.",
    .run = co_secret_destroy,
};

static int co_user_password_change(struct xe *x, struct err *e)
{
    return co_call_void(x, e, "session.change_password", "ss", args_get_or(x->args, "old", ""),
                        args_get(x->args, "new"));
}

const struct command cmd_user_password_change = {
    .name = "user-password-change",
    .required = "new",
    .optional = "old",
    .help = "Change the password of the user who is logged in.",
    .run = co_user_password_change,
};

/* ---- messages ---- */

static const struct {
    const char *key, *cls;
} message_targets[] = {{"vm-uuid", "VM"}, {"host-uuid", "Host"}, {"sr-uuid", "SR"}, {"pool-uuid", "Pool"}};

static int co_message_create(struct xe *x, struct err *e)
{
    const struct args *a = x->args;
    int64_t priority;
    unsigned found = 4;

    if (args_get_int(a, "priority", 0, &priority, e) < 0)
        return -1;
    for (unsigned i = 0; i < 4; i++) {
        if (args_get(a, message_targets[i].key) && found < 4)
            return fail_text(
                e, "A message is about one object: give only one of vm-uuid, host-uuid, sr-uuid, pool-uuid");
        if (args_get(a, message_targets[i].key))
            found = i;
    }
    if (found == 4)
        return fail_text(e, "Say what the message is about: vm-uuid, host-uuid, sr-uuid or pool-uuid");
    return co_call_void(x, e, "message.create", "sisss", args_get(a, "name"), priority,
                        message_targets[found].cls, args_get(a, message_targets[found].key),
                        args_get(a, "body"));
}

const struct command cmd_message_create = {
    .name = "message-create",
    .required = "name,priority,body",
    .optional = "vm-uuid,host-uuid,sr-uuid,pool-uuid",
    .help = "File a message about a VM, a host, an SR or the pool.",
    .run = co_message_create,
};

static int co_message_destroy(struct xe *x, struct err *e)
{
    const char *given = args_get(x->args, "uuid");
    const char **uuids;
    unsigned n;

    if (!given && !(given = args_get(x->args, "uuids")))
        return err_set(e, FAIL_REQUIRED, 1, "uuid");
    uuids = text_split(x->ctx, given, ',', &n);
    for (unsigned i = 0; i < n; i++)
        if (!(uuids[i] = co_by_uuid(x, "message", uuids[i], e)))
            return -1;
    return co_call_void(x, e, "message.destroy_many", "w", wire_text_set(x, uuids, n));
}

const struct command cmd_message_destroy = {
    .name = "message-destroy",
    .optional = "uuid,uuids",
    .help = "Destroy the message, or the comma-separated messages, that are named.",
    .run = co_message_destroy,
};

static int co_message_destroy_all(struct xe *x, struct err *e)
{
    static const char *const keys[] = {"before", "after", "priority"};
    struct wire *filters = wire_empty_struct(x);

    for (unsigned i = 0; i < 3; i++)
        if (args_get(x->args, keys[i]))
            wire_add_member(x, filters, keys[i], wire_string(args_get(x->args, keys[i])));
    return co_call_void(x, e, "message.destroy_all", "w", filters);
}

const struct command cmd_message_destroy_all = {
    .name = "message-destroy-all",
    .optional = "before,after,priority",
    .help = "Destroy all messages, or those from before= or after= a time or of a priority.",
    .run = co_message_destroy_all,
};
