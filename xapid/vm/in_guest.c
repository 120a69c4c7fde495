/*
 * VM.call_plugin: programs inside a guest, which its QEMU guest agent runs. In the guest they lie in the
 * folder where a host has its own plugins, and get the function's name as their argument and each of the
 * call's arguments as a variable of their environment. What they print is the answer.
 */
#include <ctype.h>
#include <string.h>
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/handlers.gen.h"
#include "xapid/host/host_agent.h"
#include "xapid/op.h"
#include "xapid/vm/stop.h"

#define FOLDER "/etc/xapi.d/plugins"
#define VARIABLE "XAPI_ARG_"
enum { END_MS = 60 * 60 * 1000, NAME_MAX_BYTES = 100, INPUT_MAX = 32 * 1024 };

/* What the agent does by itself, as clients of XenServer call it. */
#define OPERATIONS "guest-agent-operation"
#define REQUEST_UPDATE "request-update"

static bool is_name(const char *text, const char *more)
{
    size_t n = strlen(text);

    for (const char *p = text; *p; p++)
        if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr(more, *p)))
            return false;
    return n > 0 && n <= NAME_MAX_BYTES && text[0] != '.';
}

static int check(const struct vm_call_plugin_args *a, struct err *e)
{
    size_t bytes = strlen(a->fn);

    if (!is_name(a->plugin, "._-"))
        return err_invalid_value(e, "plugin", a->plugin);
    for (uint32_t i = 0; i < map_count(a->args); i++) {
        if (!is_name(a->args->e[i].k.s, "_"))
            return err_invalid_value(e, "args", a->args->e[i].k.s);
        bytes += strlen(a->args->e[i].k.s) + strlen(a->args->e[i].v.s);
    }
    return bytes > INPUT_MAX ? err_invalid_value(e, "args", "too long") : 0;
}

static const struct map *variables(void *ctx, const struct map *args)
{
    const struct map *all = NULL;

    for (uint32_t i = 0; i < map_count(args); i++)
        all = map_with(ctx, all, talloc_asprintf(ctx, VARIABLE "%s", args->e[i].k.s), args->e[i].v.s);
    return all;
}

static int co_ask(struct call *c, struct ref ref, const struct hv_command *command,
                  struct hv_command_result *ret, struct err *e)
{
    const char *uuid = talloc_strdup(c->mem, db_vm(c->db, ref)->uuid);
    struct agent *agent = vm_agent(c->x, ref, e);

    if (agent && co_agent_vm_command(agent, uuid, command, clock_in_ms(END_MS), c->mem, ret, e) == 0)
        return 0;
    vm_name_in_error(c, ref, e);
    return -1;
}

static int co_run(struct call *c, const struct vm_call_plugin_args *a, union value *ret, struct err *e)
{
    struct hv_command command = {.path = talloc_asprintf(c->mem, FOLDER "/%s", a->plugin),
                                 .argument = a->fn,
                                 .environment = variables(c->mem, a->args)};
    struct hv_command_result result;

    if (co_ask(c, a->vm, &command, &result, e) < 0) {
        bool missing = err_is(e, "XENAPI_MISSING_PLUGIN");
        if (missing)
            err_clear(e);
        return missing ? err_xenapi_missing_plugin(e, a->plugin) : -1;
    }
    if (result.status != 0)
        return err_xenapi_plugin_failure(e, "non-zero exit", result.out, result.err);
    ret->s = result.out;
    return 0;
}

static int co_run_own(struct call *c, const struct vm_call_plugin_args *a, union value *ret, struct err *e)
{
    struct hv_command_result result;

    if (strcmp(a->fn, REQUEST_UPDATE) != 0)
        return err_xenapi_plugin_failure(e, "no such function", a->fn, "");
    ret->s = "";
    return co_ask(c, a->vm, &(struct hv_command){.path = NULL}, &result, e);
}

int co_vm_call_plugin(struct call *c, const struct vm_call_plugin_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};

    if (!call_row(c, CLASS_VM, a->vm, e) || check(a, e) < 0 ||
        co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_CALL_PLUGIN, &op, e) < 0)
        return -1;
    return strcmp(a->plugin, OPERATIONS) == 0 ? co_run_own(c, a, ret, e) : co_run(c, a, ret, e);
}
