/* blob-create, blob-get, blob-put: binary attachments. */
#include <talloc.h>
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

static int co_blob_create(struct xe *x, struct err *e)
{
    static const char *const owners[][2] = {{"vm-uuid", "VM"},
                                            {"host-uuid", "host"},
                                            {"sr-uuid", "SR"},
                                            {"network-uuid", "network"},
                                            {"pool-uuid", "pool"}};
    const char *key = NULL, *cls = NULL, *owner, *method;
    bool public;

    for (unsigned i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
        if (args_get(x->args, owners[i][0])) {
            if (key)
                return fail_text(e, "Give one of vm-uuid, host-uuid, sr-uuid, network-uuid and pool-uuid");
            key = owners[i][0];
            cls = owners[i][1];
        }
    if (!key)
        return fail_text(e, "Name the object by vm-uuid, host-uuid, sr-uuid, network-uuid or pool-uuid");
    if (args_get_bool(x->args, "public", false, &public, e) < 0 || !(owner = co_arg_ref(x, key, cls, e)))
        return -1;
    method = talloc_asprintf(x->ctx, "%s.create_new_blob", cls);
    return co_print_uuid(x, "blob",
                         co_call_text(x, e, method, "sssb", owner, args_get(x->args, "name"),
                                      args_get_or(x->args, "mime-type", ""), public),
                         e);
}

const struct command cmd_blob_create = {
    .name = "blob-create",
    .required = "name",
    .optional = "mime-type,vm-uuid,host-uuid,sr-uuid,network-uuid,pool-uuid,public",
    .help = "Make an empty binary attachment of one object; prints its uuid.",
    .flags = CMD_HIDDEN,
    .run = co_blob_create,
};

static int co_blob_get(struct xe *x, struct err *e)
{
    return co_download(x, bulk_target(x, "/blob", "uuid", args_get(x->args, "uuid")),
                       args_get(x->args, "filename"), e);
}

const struct command cmd_blob_get = {
    .name = "blob-get",
    .required = "uuid,filename",
    .help = "Save the content of a binary attachment as a local file.",
    .flags = CMD_HIDDEN,
    .run = co_blob_get,
};

static int co_blob_put(struct xe *x, struct err *e)
{
    const char *target = bulk_target(x, "/blob", "uuid", args_get(x->args, "uuid"));

    return co_upload(x, target, args_get(x->args, "filename"), e) ? 0 : -1;
}

const struct command cmd_blob_put = {
    .name = "blob-put",
    .required = "uuid,filename",
    .help = "Make a local file the content of a binary attachment.",
    .flags = CMD_HIDDEN,
    .run = co_blob_put,
};
