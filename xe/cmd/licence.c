/* Editions: host-apply-edition, pool-apply-edition, diagnostic-license-status. */
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"

/* The licence server that the arguments name instead of the one in `before`, or NULL when they name none. */
static struct wire *wanted_server(struct xe *x, const struct wire *before)
{
    const char *address = args_get(x->args, "license-server-address");
    const char *port = args_get(x->args, "license-server-port");
    const char *old_address = wire_lookup(before, "address"), *old_port = wire_lookup(before, "port");
    const struct arg members[] = {
        {"address", address       ? address
                    : old_address ? old_address
                                  : "localhost"},
        {"port", port       ? port
                 : old_port ? old_port
                            : "27000"},
    };
    return address || port ? wire_text_map(x, members, 2) : NULL;
}

/* Apply to the object `ref` by `method`; the licence server of `host` is set before, and set back after a
 * failure. */
static int co_apply(struct xe *x, const char *host, const char *method, const char *ref, struct err *e)
{
    CLEANUP_ERR struct err ignored = {0};
    const struct wire *before = co_call(x, e, "host.get_license_server", "s", host);
    struct wire *server = before ? wanted_server(x, before) : NULL;
    if (!before || (server && co_call_void(x, e, "host.set_license_server", "sw", host, server) < 0))
        return -1;
    int rc = co_call_void(x, e, method, "ss", ref, args_get(x->args, "edition"));
    if (rc < 0 && server)
        co_call_void(x, &ignored, "host.set_license_server", "sw", host, before);
    return rc;
}

static int co_host_apply_edition(struct xe *x, struct err *e)
{
    const char *host = args_get(x->args, "host-uuid")
                           ? co_arg_ref(x, "host-uuid", "host", e)
                           : co_call_text(x, e, "session.get_this_host", "s", x->session);
    return host ? co_apply(x, host, "host.apply_edition", host, e) : -1;
}

const struct command cmd_host_apply_edition = {
    .name = "host-apply-edition",
    .required = "edition",
    .optional = "host-uuid,license-server-address,license-server-port",
    .help = "Give a host one of the editions that host-all-editions prints.",
    .run = co_host_apply_edition,
};

static int co_pool_apply_edition(struct xe *x, struct err *e)
{
    const char *pool = args_get(x->args, "uuid") ? co_arg_ref(x, "uuid", "pool", e) : co_pool(x, e);
    const char *host = pool ? co_call_text(x, e, "pool.get_master", "s", pool) : NULL;
    return host ? co_apply(x, host, "pool.apply_edition", pool, e) : -1;
}

const struct command cmd_pool_apply_edition = {
    .name = "pool-apply-edition",
    .required = "edition",
    .optional = "uuid,license-server-address,license-server-port",
    .help = "Give every host of the pool one of the editions that host-all-editions prints.",
    .run = co_pool_apply_edition,
};

static int co_diagnostic_license_status(struct xe *x, struct err *e)
{
    CLEANUP_TABLE struct table t = {0};
    const struct wire *hosts = co_call(x, e, "host.get_all_records", "");
    if (!hosts)
        return -1;
    for (uint32_t i = 0; hosts->kind == WIRE_STRUCT && i < hosts->n; i++) {
        const struct wire *host = &hosts->members[i].value, *params = wire_member(host, "license_params");
        const char *expiry = params ? wire_lookup(params, "expiry") : NULL;
        table_row(&t, "host", member_text(x, host, "hostname"));
        table_row(&t, "uuid", member_text(x, host, "uuid"));
        table_row(&t, "edition", member_text(x, host, "edition"));
        table_row(&t, "expiry", expiry ? expiry : "never");
        table_end_record(&t);
    }
    out_table(&x->out, &t);
    return 0;
}

const struct command cmd_diagnostic_license_status = {
    .name = "diagnostic-license-status",
    .help = "Show the edition of every host and how long it lasts.",
    .run = co_diagnostic_license_status,
};

/* Nothing is left that could be switched off. */
static int co_pool_disable_ssl_legacy(struct xe *x, struct err *e)
{
    return 0;
}

const struct command cmd_pool_disable_ssl_legacy = {
    .name = "pool-disable-ssl-legacy",
    .optional = "uuid",
    .help = "Do nothing: old versions of TLS are not spoken any more.",
    .run = co_pool_disable_ssl_legacy,
};
