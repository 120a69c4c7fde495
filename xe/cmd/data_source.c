/* The metrics of hosts, VMs and SRs: what there is, and what one says now. */
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/select.h"

/* Print the metrics that CLASS.get_data_sources tells of. */
static int co_list(struct xe *x, const char *method, const struct record *r, struct err *e)
{
    static const char *const fields[] = {
        "name_label", "name_description", "enabled", "standard", "min", "max", "units"};
    CLEANUP_TABLE struct table t = {0};
    const struct wire *sources = co_call(x, e, method, "s", r->ref);

    if (!sources)
        return -1;
    for (uint32_t i = 0; sources->kind == WIRE_ARRAY && i < sources->n; i++) {
        for (unsigned f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
            table_row(&t, fields[f], member_text(x, &sources->items[i], fields[f]));
        table_end_record(&t);
    }
    out_table(&x->out, &t);
    return 0;
}

/* The metric's value now. */
static const struct wire *co_query(struct xe *x, const char *method, const struct record *r, struct err *e)
{
    return co_call(x, e, method, "ss", r->ref, args_get(x->args, "data-source"));
}

static int co_list_of_host(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_list(x, "host.get_data_sources", r, e);
}

static int co_host_data_source_list(struct xe *x, struct err *e)
{
    return co_for_hosts(x, SELECT_ONE, co_list_of_host, e);
}

const struct command cmd_host_data_source_list = {
    .name = "host-data-source-list",
    .help = "Show the metrics of a host.",
    .flags = CMD_HOST,
    .run = co_host_data_source_list,
};

static int co_list_of_vm(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_list(x, "VM.get_data_sources", r, e);
}

static int co_vm_data_source_list(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_ONE | SELECT_CONTROL_DOMAINS, co_list_of_vm, e);
}

const struct command cmd_vm_data_source_list = {
    .name = "vm-data-source-list",
    .help = "Show the metrics of a VM.",
    .flags = CMD_VM,
    .run = co_vm_data_source_list,
};

static int co_list_of_sr(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_list(x, "SR.get_data_sources", r, e);
}

static int co_sr_data_source_list(struct xe *x, struct err *e)
{
    return co_for_srs(x, SELECT_ONE, co_list_of_sr, e);
}

const struct command cmd_sr_data_source_list = {
    .name = "sr-data-source-list",
    .help = "Show the metrics of an SR.",
    .flags = CMD_SR,
    .run = co_sr_data_source_list,
};

static int co_query_host(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    const struct wire *value = co_query(x, "host.query_data_source", r, e);

    *ret_item = value ? wire_text(x, value) : NULL;
    return value ? 0 : -1;
}

static int co_host_data_source_query(struct xe *x, struct err *e)
{
    return co_for_hosts(x, SELECT_ONE, co_query_host, e);
}

const struct command cmd_host_data_source_query = {
    .name = "host-data-source-query",
    .required = "data-source",
    .help = "Print what a metric of a host says now.",
    .flags = CMD_HOST,
    .run = co_host_data_source_query,
};

/* Scripts expect six places for a VM, three for the others. */
static int co_query_vm(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    const struct wire *value = co_query(x, "VM.query_data_source", r, e);

    if (!value)
        return -1;
    *ret_item = value->kind == WIRE_DOUBLE ? talloc_asprintf(x->ctx, "%f", value->f) : wire_text(x, value);
    return 0;
}

static int co_vm_data_source_query(struct xe *x, struct err *e)
{
    return co_for_vms(x, SELECT_ONE | SELECT_CONTROL_DOMAINS, co_query_vm, e);
}

const struct command cmd_vm_data_source_query = {
    .name = "vm-data-source-query",
    .required = "data-source",
    .help = "Print what a metric of a VM says now.",
    .flags = CMD_VM,
    .run = co_vm_data_source_query,
};

static int co_query_sr(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    const struct wire *value = co_query(x, "SR.query_data_source", r, e);

    *ret_item = value ? wire_text(x, value) : NULL;
    return value ? 0 : -1;
}

static int co_sr_data_source_query(struct xe *x, struct err *e)
{
    return co_for_srs(x, SELECT_ONE, co_query_sr, e);
}

const struct command cmd_sr_data_source_query = {
    .name = "sr-data-source-query",
    .required = "data-source",
    .help = "Print what a metric of an SR says now.",
    .flags = CMD_SR,
    .run = co_sr_data_source_query,
};
