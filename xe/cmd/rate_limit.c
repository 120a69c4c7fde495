/* Who calls how much, and limits on it. */
#include <stdlib.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

static int co_caller_list_usage(struct xe *x, struct err *e)
{
    static const char *const labels[] = {"uuid", "name-label", "tokens", "calls"};
    CLEANUP_TABLE struct table t = {0};
    const struct wire *rows = co_call(x, e, "Caller.query_all_usage", "");
    for (uint32_t i = 0; rows && rows->kind == WIRE_ARRAY && i < rows->n; i++) {
        const struct wire *row = &rows->items[i];
        for (uint32_t k = 0; row->kind == WIRE_ARRAY && k < row->n && k < 4; k++)
            table_row(&t, labels[k], wire_text(x, &row->items[k]));
        table_end_record(&t);
    }
    if (t.n_records > 0)
        out_table(&x->out, &t);
    return rows ? 0 : -1;
}

const struct command cmd_caller_list_usage = {
    .name = "caller-list-usage",
    .help = "List who calls the API, the busiest first.",
    .run = co_caller_list_usage,
};

static int co_show_usage(struct xe *x, const char *tokens_of, const char *calls_of, const char *whose,
                         struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    const char *tokens = co_call_text(x, e, tokens_of, "s", whose);
    const char *calls = tokens ? co_call_text(x, e, calls_of, "s", whose) : NULL;
    if (!calls)
        return -1;
    table_row(&t, "tokens", tokens);
    table_row(&t, "calls", calls);
    table_end_record(&t);
    out_table(&x->out, &t);
    return 0;
}

static int co_caller_query_usage(struct xe *x, struct err *e)
{
    const char *group = args_get(x->args, "group");
    if (!group == !args_get(x->args, "uuid"))
        return fail_text(e, "Give either uuid= or group=");
    if (group)
        return co_show_usage(x, "Caller.query_group_token_usage", "Caller.query_group_call_count", group, e);
    const char *caller = co_arg_ref(x, "uuid", "Caller", e);
    return caller ? co_show_usage(x, "Caller.query_token_usage", "Caller.query_call_count", caller, e) : -1;
}

const struct command cmd_caller_query_usage = {
    .name = "caller-query-usage",
    .optional = "uuid,group",
    .help = "Show how much a caller of the API, or a group of them, has used.",
    .run = co_caller_query_usage,
};

static int co_add_callers(struct xe *x, const char *limit, struct err *e)
{
    unsigned n;
    const char **uuids = text_split(x->ctx, args_get_or(x->args, "caller-uuids", ""), ',', &n);
    for (unsigned i = 0; i < n; i++) {
        const char *caller = co_by_uuid(x, "Caller", uuids[i], e);
        if (!caller || co_call_void(x, e, "Rate_limit.add_caller", "ss", limit, caller) < 0)
            return -1;
    }
    return 0;
}

static bool number_arg(struct xe *x, const char *name, struct wire *ret)
{
    const char *text = args_get(x->args, name);
    char *end;
    *ret = (struct wire){.kind = WIRE_DOUBLE, .f = strtod(text, &end)};
    return end != text && !*end;
}

static int co_rate_limit_create(struct xe *x, struct err *e)
{
    struct wire *record = wire_empty_struct(x), burst, rate;
    if (!number_arg(x, "burst-size", &burst) || !number_arg(x, "fill-rate", &rate))
        return fail_text(e, "burst-size and fill-rate are numbers");
    wire_add_member(x, record, "name_label", wire_string(args_get_or(x->args, "name-label", "")));
    wire_add_member(x, record, "name_description", wire_string(args_get_or(x->args, "name-description", "")));
    wire_add_member(x, record, "burst_size", burst);
    wire_add_member(x, record, "fill_rate", rate);
    const char *limit = co_call_text(x, e, "Rate_limit.create", "w", record);
    if (!limit || co_add_callers(x, limit, e) < 0)
        return -1;
    return co_print_uuid(x, "Rate_limit", limit, e);
}

const struct command cmd_rate_limit_create = {
    .name = "rate-limit-create",
    .required = "burst-size,fill-rate",
    .optional = "name-label,name-description,caller-uuids",
    .help = "Limit how much callers may use the API; prints the limit's uuid.",
    .run = co_rate_limit_create,
};
