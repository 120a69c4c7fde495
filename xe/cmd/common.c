#include "xe/cmd/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "xe/failure.h"

/* Call method with the object of class that uuid= names. */
int co_on_uuid(struct xe *x, const char *cls, const char *method, struct err *e)
{
    const char *ref = co_arg_ref(x, "uuid", cls, e);

    return ref ? co_call_void(x, e, method, "s", ref) : -1;
}

/* The pool's default SR. */
const char *co_default_sr(struct xe *x, struct err *e)
{
    const char *pool = co_pool(x, e), *sr = pool ? co_field(x, "pool", "default_SR", pool, e) : NULL;
    CLEANUP_ERR struct err dangling = {0};

    if (!sr)
        return NULL;
    if (ref_is_none(sr) || !co_uuid_of(x, "SR", sr, &dangling)) {
        fail_text(e, "The pool has no default SR: give sr-uuid, or set the pool's default-SR");
        return NULL;
    }
    return sr;
}

/* The SR that sr-uuid= names, or the pool's default. */
const char *co_arg_or_default_sr(struct xe *x, struct err *e)
{
    return args_get(x->args, "sr-uuid") ? co_arg_ref(x, "sr-uuid", "SR", e) : co_default_sr(x, e);
}

/* The host that text names. */
const char *co_find_host(struct xe *x, const char *text, struct err *e)
{
    static const char *const fields[] = {"uuid", "hostname", "name_label"};
    const struct wire *hosts = co_call(x, e, "host.get_all_records", "");

    for (unsigned f = 0; hosts && f < 3; f++)
        for (uint32_t i = 0; hosts->kind == WIRE_STRUCT && i < hosts->n; i++)
            if (strcmp(member_text(x, &hosts->members[i].value, fields[f]), text) == 0)
                return hosts->members[i].name;
    if (hosts)
        fail_text(e, "No host has the name or uuid '%s'", text);
    return NULL;
}

/* Refuse without --force. */
int require_force(struct xe *x, const char *doing, struct err *e)
{
    bool force;

    if (args_get_bool(x->args, "force", false, &force, e) < 0)
        return -1;
    return force ? 0 : fail_text(e, "This would %s. Use --force if that is what you want.", doing);
}

static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    return text + strspn(text, " \t\r\n");
}

/* Ask on stdout and read a line. */
int confirm(struct xe *x, struct err *e)
{
    CLEANUP_FREE char *line = NULL;
    const char *typed = "";
    size_t size = 0;

    out_direct(&x->out, "Type 'yes' to continue\n");
    fflush(x->out.file);
    if (getline(&line, &size, stdin) >= 0)
        typed = trim(line);
    if (strcasecmp(typed, "yes") == 0)
        return 0;
    out_direct(&x->out, "Aborted (you typed: '%s')\n", typed);
    return fail_exit(e, 0);
}
