/* Archives that a host makes of itself, saved as local files. */
#include <time.h>
#include "xe/bulk.h"
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/select.h"

/* A name for who gives none: "logs-20261129T100000Z.tar.gz". */
static const char *file_name(struct xe *x, const char *beginning, const char *end)
{
    const char *given = args_get(x->args, "file-name");
    time_t now = time(NULL);
    struct tm tm;
    char text[32];

    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    return given ? given : talloc_asprintf(x->ctx, "%s-%s%s", beginning, text, end);
}

static int co_save_logs(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_download(x, bulk_target(x, "/host_logs_download", "host_id", r->ref),
                       file_name(x, "logs", ".tar.gz"), e);
}

static int co_host_logs_download(struct xe *x, struct err *e)
{
    return co_for_hosts(x, SELECT_ONE, co_save_logs, e);
}

const struct command cmd_host_logs_download = {
    .name = "host-logs-download",
    .optional = "file-name,progress",
    .flags = CMD_HOST,
    .help = "Save a host's logs as a local file: a tar archive, compressed with gzip.",
    .run = co_host_logs_download,
};

static int co_save_status(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    char *target = bulk_target(x, "/system-status", "host_id", r->ref);

    target = bulk_target(x, target, "entries", args_get(x->args, "entries"));
    target = bulk_target(x, target, "output", args_get(x->args, "output"));
    return co_download(x, target, args_get(x->args, "filename"), e);
}

static int co_host_get_system_status(struct xe *x, struct err *e)
{
    return co_for_hosts(x, SELECT_ONE, co_save_status, e);
}

const struct command cmd_host_get_system_status = {
    .name = "host-get-system-status",
    .required = "filename",
    .optional = "entries,output,progress",
    .flags = CMD_HOST,
    .help =
        "Save what somebody who helps needs to see of a host: all that host-get-system-status-capabilities "
        "tells, or entries= some of it, as output= tar.bz2 or tar.",
    .run = co_host_get_system_status,
};
