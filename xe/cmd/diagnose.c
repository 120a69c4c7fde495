/* What stands in the way of VMs and disks, and what crashes left. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/report.h"
#include "xe/select.h"

/* ---- disks ---- */

/* One row of the table: what holds the disk and how. */
static int co_add_holder(struct xe *x, const char *vbd, struct table *t, struct err *e)
{
    const struct wire *record = co_call(x, e, "VBD.get_record", "s", vbd);
    const char *vm = record ? co_uuid_of(x, "VM", member_text(x, record, "VM"), e) : NULL;

    if (!vm)
        return -1;
    table_row(t, "vbd-uuid", member_text(x, record, "uuid"));
    table_row(t, "vm-uuid", vm);
    table_row(t, "mode", member_text(x, record, "mode"));
    table_row(t, "currently-attached", member_text(x, record, "currently_attached"));
    table_end_record(t);
    return 0;
}

static int co_show_disk(struct xe *x, const char *vdi, struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    const char *uuid = co_uuid_of(x, "VDI", vdi, e);
    const char *sharable = uuid ? co_call_text(x, e, "VDI.get_sharable", "s", vdi) : NULL;
    const struct wire *vbds = sharable ? co_call(x, e, "VDI.get_VBDs", "s", vdi) : NULL;

    if (!vbds)
        return -1;
    out_text(&x->out, talloc_asprintf(x->ctx, "Disk %s, sharable: %s, attached by %u device(s)", uuid,
                                      sharable, vbds->kind == WIRE_ARRAY ? (unsigned)vbds->n : 0));
    for (uint32_t i = 0; vbds->kind == WIRE_ARRAY && i < vbds->n; i++)
        if (co_add_holder(x, wire_text(x, &vbds->items[i]), &t, e) < 0)
            return -1;
    if (t.n_records > 0)
        out_table(&x->out, &t);
    return 0;
}

static int co_diagnostic_vdi_status(struct xe *x, struct err *e)
{
    const char *vdi = co_arg_ref(x, "uuid", "VDI", e);
    return vdi ? co_show_disk(x, vdi, e) : -1;
}

const struct command cmd_diagnostic_vdi_status = {
    .name = "diagnostic-vdi-status",
    .required = "uuid",
    .help = "Print what holds a disk, and whether several may.",
    .run = co_diagnostic_vdi_status,
};

/* ---- VMs ---- */

/* Where the VM could start, or why not: a row a host. */
static int co_show_hosts(struct xe *x, const char *vm, struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    const struct wire *hosts = co_call(x, e, "host.get_all", "");

    if (!hosts)
        return -1;
    for (uint32_t i = 0; hosts->kind == WIRE_ARRAY && i < hosts->n; i++) {
        CLEANUP_ERR struct err why = {0};
        const char *host = wire_text(x, &hosts->items[i]);
        const char *name = co_call_text(x, e, "host.get_name_label", "s", host);
        if (!name)
            return -1;
        int rc = co_call_void(x, &why, "VM.assert_can_boot_here", "ss", vm, host);
        table_row(&t, name, rc == 0 ? "can start here" : report_line(x, &why));
    }
    table_end_record(&t);
    out_table(&x->out, &t);
    return 0;
}

static int co_show_disks(struct xe *x, const char *vm, struct err *e)
{
    const struct wire *vbds = co_call(x, e, "VM.get_VBDs", "s", vm);

    for (uint32_t i = 0; vbds && vbds->kind == WIRE_ARRAY && i < vbds->n; i++) {
        const char *vdi = co_call_text(x, e, "VBD.get_VDI", "s", wire_text(x, &vbds->items[i]));
        if (!vdi || (strcmp(vdi, REF_NONE) != 0 && co_show_disk(x, vdi, e) < 0))
            return -1;
    }
    return vbds ? 0 : -1;
}

static int co_diagnostic_vm_status(struct xe *x, struct err *e)
{
    CLEANUP_ERR struct err why = {0};
    const char *vm = co_arg_ref(x, "uuid", "VM", e);

    if (!vm)
        return -1;
    if (co_call_void(x, &why, "VM.assert_agile", "s", vm) == 0)
        out_text(&x->out, "The VM can start on any host that has room.");
    else
        out_text(&x->out, talloc_asprintf(x->ctx, "The VM is bound to hosts: %s", report_line(x, &why)));
    return co_show_hosts(x, vm, e) < 0 ? -1 : co_show_disks(x, vm, e);
}

const struct command cmd_diagnostic_vm_status = {
    .name = "diagnostic-vm-status",
    .required = "uuid",
    .help = "Print where a VM can start, or why not, and what holds its disks.",
    .flags = CMD_STANDARD,
    .run = co_diagnostic_vm_status,
};

/* ---- crashes ---- */

static int co_crashdumps_of_one(struct xe *x, const struct record *vm, const char **ret_item, struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    const struct wire *dumps = co_call(x, e, "VM.get_crash_dumps", "s", vm->ref);

    for (uint32_t i = 0; dumps && dumps->kind == WIRE_ARRAY && i < dumps->n; i++) {
        const struct wire *dump = co_call(x, e, "crashdump.get_record", "s", wire_text(x, &dumps->items[i]));
        const char *vm_uuid = dump ? co_uuid_of(x, "VM", vm->ref, e) : NULL;
        const char *vdi = vm_uuid ? co_uuid_of(x, "VDI", member_text(x, dump, "VDI"), e) : NULL;
        if (!vdi)
            return -1;
        table_row(&t, "uuid", member_text(x, dump, "uuid"));
        table_row(&t, "vm-uuid", vm_uuid);
        table_row(&t, "vdi-uuid", vdi);
        table_end_record(&t);
    }
    if (t.n_records > 0)
        out_table(&x->out, &t);
    return dumps ? 0 : -1;
}

static int co_vm_crashdump_list(struct xe *x, struct err *e)
{
    return co_for_vms(x, 0, co_crashdumps_of_one, e);
}

const struct command cmd_vm_crashdump_list = {
    .name = "vm-crashdump-list",
    .help = "List what VMs left when they crashed.",
    .flags = CMD_VM,
    .run = co_vm_crashdump_list,
};

/* ---- drivers ---- */

static int co_hostdriver_select(struct xe *x, struct err *e)
{
    const char *wanted = args_get(x->args, "variant-name");
    const char *driver = co_arg_ref(x, "uuid", "Host_driver", e);
    const struct wire *variants = driver ? co_call(x, e, "Host_driver.get_variants", "s", driver) : NULL;

    for (uint32_t i = 0; variants && variants->kind == WIRE_ARRAY && i < variants->n; i++) {
        const char *variant = wire_text(x, &variants->items[i]);
        const struct wire *record = co_call(x, e, "Driver_variant.get_record", "s", variant);
        if (!record)
            return -1;
        if (strcmp(member_text(x, record, "name"), wanted) == 0)
            return co_call_void(x, e, "Host_driver.select", "ss", driver, variant);
    }
    return variants ? fail_text(e, "The driver has no variant %s", wanted) : -1;
}

const struct command cmd_hostdriver_select = {
    .name = "hostdriver-select",
    .required = "uuid,variant-name",
    .help = "Choose a variant of a driver by its name.",
    .run = co_hostdriver_select,
};

/* ---- the daemon ---- */

static int co_net_stats_of_one(struct xe *x, const struct record *host, const char **ret_item, struct err *e)
{
    static const char *const names[] = {"uri", "method", "params"};
    struct wire *wanted = wire_empty_struct(x);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (args_get(x->args, names[i]))
            wire_add_member(x, wanted, names[i], wire_string(args_get(x->args, names[i])));
    const struct wire *rows = co_call(x, e, "Diagnostics.network_stats", "sw", host->ref, wanted);
    for (uint32_t i = 0; rows && rows->kind == WIRE_ARRAY && i < rows->n; i++) {
        const struct wire *row = &rows->items[i];
        char *line = talloc_strdup(x->ctx, "");
        for (uint32_t k = 0; row->kind == WIRE_ARRAY && k < row->n; k++)
            line = talloc_asprintf_append(line, "%s%s", k > 0 ? " " : "", wire_text(x, &row->items[k]));
        out_item(&x->out, line);
    }
    return rows ? 0 : -1;
}

static int co_diagnostic_net_stats(struct xe *x, struct err *e)
{
    return co_for_hosts(x, 0, co_net_stats_of_one, e);
}

const struct command cmd_diagnostic_net_stats = {
    .name = "diagnostic-net-stats",
    .optional = "uri,method,params",
    .flags = CMD_HOST,
    .help = "Show how often hosts' daemons were asked for what over HTTP.",
    .run = co_diagnostic_net_stats,
};

/* Of the logs that servers once had by keys there is one, which the API reads. */
static int co_log_get_keys(struct xe *x, struct err *e)
{
    out_item(&x->out, "xapi");
    return 0;
}

const struct command cmd_log_get_keys = {
    .name = "log-get-keys",
    .flags = CMD_HIDDEN,
    .help = "Print which logs log-get reads: the daemon's.",
    .run = co_log_get_keys,
};

static int co_log_get(struct xe *x, struct err *e)
{
    if (strcmp(args_get(x->args, "key"), "xapi") != 0)
        return fail_text(e, "There is no log %s", args_get(x->args, "key"));
    const char *host = co_call_text(x, e, "session.get_this_host", "s", x->session);
    const char *log = host ? co_call_text(x, e, "host.get_log", "s", host) : NULL;
    if (log)
        out_direct(&x->out, "%s", log);
    return log ? 0 : -1;
}

const struct command cmd_log_get = {
    .name = "log-get",
    .required = "key",
    .flags = CMD_HIDDEN,
    .help = "Print the end of a log of the host called.",
    .run = co_log_get,
};

/* ---- where and how much the daemon logs ---- */

static int co_set_logging(struct xe *x, const char *host, const char *key, const char *value, struct err *e)
{
    if (co_call_void(x, e, "host.remove_from_logging", "ss", host, key) < 0)
        return -1;
    return value ? co_call_void(x, e, "host.add_to_logging", "sss", host, key, value) : 0;
}

/* Of the host called; NULL with e. */
static const char *co_this_host(struct xe *x, struct err *e)
{
    return co_call_text(x, e, "session.get_this_host", "s", x->session);
}

static int co_log_reopen(struct xe *x, struct err *e)
{
    const char *host = co_this_host(x, e);
    return host ? co_call_void(x, e, "host.syslog_reconfigure", "s", host) : -1;
}

const struct command cmd_log_reopen = {
    .name = "log-reopen",
    .flags = CMD_HIDDEN,
    .help = "Let the daemon called open its log anew, after a rotation.",
    .run = co_log_reopen,
};

/* The daemon's log is its standard error; the system's goes elsewhere, too. */
static int read_output(const char *output, const char **ret_destination, struct err *e)
{
    static const char syslog[] = "syslog:";

    *ret_destination = NULL;
    if (strncmp(output, syslog, strlen(syslog)) == 0 && output[strlen(syslog)])
        *ret_destination = output + strlen(syslog);
    else if (strcmp(output, "stderr") != 0)
        return fail_text(e, "The log goes to stderr or syslog:ADDRESS, not to %s", output);
    return 0;
}

static int co_log_set_output(struct xe *x, struct err *e)
{
    const char *key = args_get_or(x->args, "key", "xapi"), *level = args_get(x->args, "level"), *to;

    if (strcmp(key, "xapi") != 0)
        return fail_text(e, "There is no log %s", key);
    if (read_output(args_get(x->args, "output"), &to, e) < 0)
        return -1;
    const char *host = co_this_host(x, e);
    if (!host || co_set_logging(x, host, "syslog_destination", to, e) < 0 ||
        (level && co_set_logging(x, host, "level", level, e) < 0))
        return -1;
    return co_call_void(x, e, "host.syslog_reconfigure", "s", host);
}

const struct command cmd_log_set_output = {
    .name = "log-set-output",
    .required = "output",
    .optional = "key,level",
    .flags = CMD_HIDDEN,
    .help = "Send the log of the host called to another one (syslog:ADDRESS) or not (stderr); level: error "
            "to debug.",
    .run = co_log_set_output,
};

static int co_diagnostic_db_log(struct xe *x, struct err *e)
{
    const char *host = co_this_host(x, e);

    if (!host || co_set_logging(x, host, "level", "debug", e) < 0)
        return -1;
    return co_call_void(x, e, "host.syslog_reconfigure", "s", host);
}

const struct command cmd_diagnostic_db_log = {
    .name = "diagnostic-db-log",
    .flags = CMD_HIDDEN,
    .help =
        "Let the daemon called log which rows its database changes, with all else it says when debugging.",
    .run = co_diagnostic_db_log,
};
