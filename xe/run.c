#include "xe/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/buf.h"
#include "xe/cache.h"
#include "xe/client.h"
#include "xe/command.h"
#include "xe/failure.h"
#include "xe/report.h"

/* Sockets of a server on this host: the reference's and our own. */
static const char *const local_sockets[] = {"/var/lib/xcp/xapi", "/var/lib/xapid/xapi.sock"};

/* Find the command and see that everything it must have is given. */
static int check_command(struct xe *x, struct err *e)
{
    unsigned n;
    const char **required;

    x->command = command_find(x->ctx, x->args->command);
    if (!x->command && command_is_gap(x->args->command))
        return fail_text(e, "The command %s is not implemented yet", x->args->command);
    if (!x->command)
        return err_set(e, FAIL_COMMAND, 1, x->args->command);
    required = text_split(x->ctx, x->command->required ? x->command->required : "", ',', &n);
    for (unsigned i = 0; i < n; i++)
        if (!args_get(x->args, required[i]))
            return err_set(e, FAIL_REQUIRED, 1, required[i]);
    return 0;
}

/* Header lines that every call carries: whose it is and what trace it belongs to. */
static const char *header_lines(struct xe *x)
{
    const struct xe_options *o = x->options;
    char *lines = talloc_strdup(x->ctx, "originator: cli\r\n");

    if (o->traceparent && !strpbrk(o->traceparent, "\r\n"))
        lines = talloc_asprintf_append(lines, "traceparent: %s\r\n", o->traceparent);
    if (o->baggage && !strpbrk(o->baggage, "\r\n"))
        lines = talloc_asprintf_append(lines, "baggage: %s\r\n", o->baggage);
    return lines;
}

/* Connect to a socket, or to the server by name when path is NULL, and log in. */
static int co_login_at(struct xe *x, const char *path, bool tls, struct err *e)
{
    const struct xe_options *o = x->options;
    struct rpc_client_options options = {
        .host = o->server,
        .port = (uint16_t)(o->port >= 0 ? o->port
                           : tls        ? 443
                                        : 80),
        .unix_path = path,
        .tls = tls && !path,
        .user_agent = "xe-cli/Unix/0.2",
        .headers = header_lines(x),
    };

    if (x->rpc)
        rpc_client_free(x->rpc);
    x->rpc = rpc_client_new(&options);
    return co_login(x, x->command->flags & CMD_LOCAL, e);
}

/* This host is reached by its socket, or else plainly; any other by TLS unless told not to. A server that
 * begins with a slash is a socket. */
static int co_connect(struct xe *x, struct err *e)
{
    const char *server = x->options->server;
    struct stat st;

    if (*server == '/')
        return co_login_at(x, server, false, e);
    if (strcmp(server, "127.0.0.1") != 0)
        return co_login_at(x, NULL, !x->options->nossl, e);
    for (unsigned i = 0; i < sizeof(local_sockets) / sizeof(local_sockets[0]); i++) {
        CLEANUP_ERR struct err failure = {0};

        if (stat(local_sockets[i], &st) < 0)
            continue;
        if (co_login_at(x, local_sockets[i], false, &failure) == 0)
            return 0;
        if (!err_is(&failure, FAIL_CONTACT)) {
            err_move(e, &failure);
            return -1;
        }
    }
    return co_login_at(x, NULL, false, e);
}

static int co_run_command(struct xe *x, struct err *e)
{
    if (check_command(x, e) < 0)
        return -1;
    if (!(x->command->flags & CMD_NO_LOGIN) && co_connect(x, e) < 0)
        return -1;
    return x->command->run(x, e);
}

/* Returns the exit code. */
int co_run(const struct xe_options *o)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    struct args args = {0};
    struct xe x = {.ctx = ctx, .options = o, .args = &args, .out = {.file = stdout}, .cache = cache_new(ctx)};
    int code = 0;

    if (args_parse(ctx, o->args, o->n_args, &args, &e) == 0) {
        x.out.minimal = args.minimal;
        co_run_command(&x, &e);
    }
    if (err_is_set(&e))
        code = co_report(&x, &e);
    co_logout(&x);
    if (x.rpc)
        rpc_client_free(x.rpc);
    if (err_is_set(&e))
        x.out.minimal = false;
    if (!out_finish(&x.out) && code == 0)
        code = 1;
    if (code != 0)
        fwrite(x.trace.data, 1, x.trace.len, stderr);
    buf_free(&x.trace);
    return code;
}
