#include "xe/help.h"

#include <stdio.h>
#include <talloc.h>
#include "xe/cmd/verbs.h"
#include "xe/client.h"

static int co_help(struct xe *x, struct err *e)
{
    bool named = false;

    for (unsigned i = 0; i < x->args->n; i++) {
        const struct arg *a = &x->args->arg[i];

        if (*a->value || args_is_common(a->key))
            continue;
        named = true;
        if (!help_command(x->ctx, &x->out, a->key))
            out_text(&x->out, talloc_asprintf(x->ctx, "Unknown command '%s'", a->key));
    }
    if (!named)
        help_list(x->ctx, &x->out, args_get(x->args, "all") != NULL);
    return 0;
}

const struct command cmd_help = {
    .name = "help",
    .optional = "all,minimal",
    .help = "Say how to call xe, name the commands, or explain those that are named.",
    .flags = CMD_NO_LOGIN,
    .run = co_help,
};
