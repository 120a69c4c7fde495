/* Storage repositories and their connections to hosts. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/file.h"

/* The device-config: members; those named KEY-filename become KEY with the content of the file. NULL on
 * error. */
static struct wire *device_config(struct xe *x, struct err *e)
{
    static const char suffix[] = "-filename";
    unsigned n;
    struct arg *members = args_get_map(x->ctx, x->args, "device-config", &n);

    for (unsigned i = 0; i < n; i++) {
        size_t len = strlen(members[i].key);

        if (len < sizeof(suffix) || strcmp(members[i].key + len - (sizeof(suffix) - 1), suffix) != 0)
            continue;
        members[i].key = talloc_strndup(x->ctx, members[i].key, len - (sizeof(suffix) - 1));
        if (!(members[i].value = file_read_text(x->ctx, members[i].value, e)))
            return NULL;
    }
    return wire_text_map(x, members, n);
}

/* The pool's coordinator, or NULL. */
static const char *co_coordinator(struct xe *x, struct err *e)
{
    const char *pool = co_pool(x, e);

    return pool ? co_field(x, "pool", "master", pool, e) : NULL;
}

/* The host for a new SR: host-uuid=, or the coordinator when the SR is shared or there is no other. */
static const char *co_host_for_sr(struct xe *x, bool shared, struct err *e)
{
    const struct wire *hosts;

    if (args_get(x->args, "host-uuid"))
        return co_arg_ref(x, "host-uuid", "host", e);
    if (!(hosts = co_call(x, e, "host.get_all", "")))
        return NULL;
    if (shared || hosts->n == 1)
        return co_coordinator(x, e);
    err_set(e, FAIL_REQUIRED, 1, "host-uuid");
    return NULL;
}

static int co_sr_create(struct xe *x, struct err *e)
{
    const struct args *a = x->args;
    const char *host, *sr, *uuid;
    struct wire *config;
    bool shared;
    int64_t size;

    if (args_get_bool(a, "shared", false, &shared, e) < 0 ||
        args_get_size(a, "physical-size", 0, &size, e) < 0 || !(config = device_config(x, e)) ||
        !(host = co_host_for_sr(x, shared, e)))
        return -1;
    sr = co_call_text(x, e, "SR.create", "swissssbw", host, config, size, args_get(a, "name-label"),
                      args_get_or(a, "name-description", ""), args_get(a, "type"),
                      args_get_or(a, "content-type", ""), shared, wire_arg_map(x, "sm-config"));
    if (!sr || !(uuid = co_uuid_of(x, "SR", sr, e)))
        return -1;
    out_direct(&x->out, "%s\n", uuid);
    return 0;
}

const struct command cmd_sr_create = {
    .name = "sr-create",
    .required = "name-label,type",
    .optional = "name-description,host-uuid,device-config:,shared,physical-size,content-type,sm-config:",
    .help = "Make an SR and connect it to its host, or to all when shared; prints its uuid. device-config: "
            "holds what "
            "the type needs; device-config:KEY-filename= takes a value from a file.",
    .run = co_sr_create,
};

static int co_sr_probe(struct xe *x, struct err *e)
{
    const char *host, *answer;
    struct wire *config = device_config(x, e);

    if (!config)
        return -1;
    host = args_get(x->args, "host-uuid") ? co_arg_ref(x, "host-uuid", "host", e) : co_coordinator(x, e);
    if (!host)
        return -1;
    answer = co_call_text(x, e, "SR.probe", "swsw", host, config, args_get(x->args, "type"),
                          wire_arg_map(x, "sm-config"));
    if (!answer)
        return -1;
    out_item(&x->out, answer);
    return 0;
}

const struct command cmd_sr_probe = {
    .name = "sr-probe",
    .required = "type",
    .optional = "host-uuid,device-config:,sm-config:",
    .help = "Look for storage of a type; prints what its driver found.",
    .run = co_sr_probe,
};

/* What was found, a record each: an SR that can be introduced, or how to look further. */
static int co_sr_probe_ext(struct xe *x, struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    struct wire *config = device_config(x, e);
    const char *host = !config                          ? NULL
                       : args_get(x->args, "host-uuid") ? co_arg_ref(x, "host-uuid", "host", e)
                                                        : co_coordinator(x, e);
    if (!host)
        return -1;
    const struct wire *found = co_call(x, e, "SR.probe_ext", "swsw", host, config, args_get(x->args, "type"),
                                       wire_arg_map(x, "sm-config"));
    for (uint32_t i = 0; found && found->kind == WIRE_ARRAY && i < found->n; i++) {
        const struct wire *one = &found->items[i], *sr = wire_member(one, "sr");
        const struct wire *settings = wire_member(one, "configuration");
        for (uint32_t k = 0; settings && settings->kind == WIRE_STRUCT && k < settings->n; k++)
            table_row(&t, settings->members[k].name, wire_text(x, &settings->members[k].value));
        table_row(&t, "complete", member_text(x, one, "complete"));
        for (uint32_t k = 0; sr && sr->kind == WIRE_STRUCT && k < sr->n; k++)
            table_row(&t, talloc_asprintf(x->ctx, "sr.%s", sr->members[k].name),
                      wire_text(x, &sr->members[k].value));
        table_end_record(&t);
    }
    if (t.n_records > 0)
        out_table(&x->out, &t);
    return found ? 0 : -1;
}

const struct command cmd_sr_probe_ext = {
    .name = "sr-probe-ext",
    .required = "type",
    .optional = "host-uuid,device-config:,sm-config:",
    .help = "Look for storage of a type; shows what was found in parts.",
    .run = co_sr_probe_ext,
};

static int co_sr_scan(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "SR", "SR.scan", e);
}

const struct command cmd_sr_scan = {
    .name = "sr-scan",
    .required = "uuid",
    .help = "Look at what is on an SR and bring the database in line.",
    .run = co_sr_scan,
};

static int co_sr_introduce(struct xe *x, struct err *e)
{
    const struct args *a = x->args;
    bool shared;

    if (args_get_bool(a, "shared", false, &shared, e) < 0)
        return -1;
    return co_print_uuid(x, "SR",
                         co_call_text(x, e, "SR.introduce", "sssssbw", args_get(a, "uuid"),
                                      args_get(a, "name-label"), args_get_or(a, "name-description", ""),
                                      args_get(a, "type"), args_get_or(a, "content-type", ""), shared,
                                      wire_arg_map(x, "sm-config")),
                         e);
}

const struct command cmd_sr_introduce = {
    .name = "sr-introduce",
    .required = "name-label,type,uuid",
    .optional = "name-description,shared,content-type",
    .help = "Enter an SR that exists into the database; prints its uuid. It is used once a PBD is made and "
            "plugged.",
    .run = co_sr_introduce,
};

static int co_sr_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "SR", "SR.destroy", e);
}

const struct command cmd_sr_destroy = {
    .name = "sr-destroy",
    .required = "uuid",
    .help = "Destroy an SR and everything on it.",
    .run = co_sr_destroy,
};

static int co_sr_forget(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "SR", "SR.forget", e);
}

const struct command cmd_sr_forget = {
    .name = "sr-forget",
    .required = "uuid",
    .help = "Strike an SR from the database and leave its data alone.",
    .run = co_sr_forget,
};

static int co_sr_update(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "SR", "SR.update", e);
}

const struct command cmd_sr_update = {
    .name = "sr-update",
    .required = "uuid",
    .help = "Bring what the database says of an SR up to date.",
    .run = co_sr_update,
};

static int co_pbd_create(struct xe *x, struct err *e)
{
    const char *host = co_arg_ref(x, "host-uuid", "host", e),
               *sr = host ? co_arg_ref(x, "sr-uuid", "SR", e) : NULL;
    struct wire *record = wire_empty_struct(x), *config = sr ? device_config(x, e) : NULL;

    if (!config)
        return -1;
    wire_add_member(x, record, "host", wire_string(host));
    wire_add_member(x, record, "SR", wire_string(sr));
    wire_add_member(x, record, "device_config", *config);
    wire_add_member(x, record, "other_config", *wire_empty_struct(x));
    return co_print_uuid(x, "PBD", co_call_text(x, e, "PBD.create", "w", record), e);
}

const struct command cmd_pbd_create = {
    .name = "pbd-create",
    .required = "host-uuid,sr-uuid",
    .optional = "device-config:",
    .help = "Say how a host reaches an SR; prints the uuid of the connection, which pbd-plug makes.",
    .run = co_pbd_create,
};

static int co_pbd_destroy(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "PBD", "PBD.destroy", e);
}

const struct command cmd_pbd_destroy = {
    .name = "pbd-destroy",
    .required = "uuid",
    .help = "Forget how a host reaches an SR.",
    .run = co_pbd_destroy,
};

static int co_pbd_plug(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "PBD", "PBD.plug", e);
}

const struct command cmd_pbd_plug = {
    .name = "pbd-plug",
    .required = "uuid",
    .help = "Connect a host to an SR.",
    .run = co_pbd_plug,
};

static int co_pbd_unplug(struct xe *x, struct err *e)
{
    return co_on_uuid(x, "PBD", "PBD.unplug", e);
}

const struct command cmd_pbd_unplug = {
    .name = "pbd-unplug",
    .required = "uuid",
    .help = "Disconnect a host from an SR.",
    .run = co_pbd_unplug,
};
