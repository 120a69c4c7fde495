#include "xe/help.h"

#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/command.h"
#include "xe/out.h"

#define LINE 74
#define INDENT "    "

static const char usage[] =
    "Usage: xe [-s SERVER] [-p PORT] [-u USER] [-pw PASSWORD | -pwf FILE] [--nossl] COMMAND [KEY=VALUE ...]\n"
    "\n"
    "  -s SERVER      name, address or socket of the host to talk to (this host)\n"
    "  -p PORT        its port (443, or 80 without TLS)\n"
    "  -u USER        user name (root)\n"
    "  -pw PASSWORD   password\n"
    "  -pwf FILE      file with the user name in its first line and the password in its second\n"
    "  --nossl        speak plain HTTP\n"
    "  --debug        say on stderr what is called\n"
    "\n"
    "A switch such as --force stands for force=true; --minimal prints values only, separated by commas.\n"
    "The options may also stand in $HOME/.xe, one KEY=VALUE a line, or in $XE_EXTRA_ARGS, separated by "
    "commas.\n"
    "\n"
    "xe help COMMAND    explains a command\n"
    "xe help --all      names all commands\n";

/* How to call xe. */
void help_usage(FILE *to)
{
    fputs(usage, to);
}

/* The names that are chosen, NULL-terminated. */
static const char **choose(void *ctx, const char *const *prefixes, bool inside, unsigned wanted,
                           unsigned *ret_n)
{
    const struct command **all = command_all(ctx);
    const char **names;
    unsigned n = 0;

    while (all[n])
        n++;
    names = talloc_zero_array(ctx, const char *, n + 1);
    if (!names)
        mem_abort();
    *ret_n = 0;
    for (unsigned i = 0; i < n; i++) {
        bool found = prefixes[0] == NULL;

        for (unsigned j = 0; prefixes[j]; j++)
            found |= strncmp(all[i]->name, prefixes[j], strlen(prefixes[j])) == 0;
        if (found == inside && !(all[i]->flags & CMD_HIDDEN) && (!wanted || (all[i]->flags & wanted)))
            names[(*ret_n)++] = all[i]->name;
    }
    return names;
}

/* Names with commas between, wrapped. */
static void print_wrapped(struct out *o, const char *const *names, unsigned n)
{
    size_t column = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t len = strlen(names[i]);

        if (column == 0)
            column = (size_t)fprintf(o->file, INDENT);
        else if (column + 2 + len > LINE)
            column = (size_t)fprintf(o->file, "\n" INDENT) - 1;
        else
            column += (size_t)fprintf(o->file, ", ");
        column += (size_t)fprintf(o->file, "%s", names[i]);
    }
    fputc('\n', o->file);
}

/* All commands in three blocks: those of hosts, those of VMs, the rest. */
static void print_all(void *ctx, struct out *o)
{
    static const char *const host[] = {"host-", NULL}, *const vm[] = {"vm-", NULL},
                             *const both[] = {"host-", "vm-", NULL};
    const char **names;
    unsigned n;

    names = choose(ctx, host, true, 0, &n);
    print_wrapped(o, names, n);
    fputs(INDENT "\n", o->file);
    names = choose(ctx, vm, true, 0, &n);
    print_wrapped(o, names, n);
    fputs(INDENT "\n", o->file);
    names = choose(ctx, both, false, 0, &n);
    print_wrapped(o, names, n);
}

/* The names of the commands. */
void help_list(void *ctx, struct out *o, bool all)
{
    static const char *const any[] = {NULL};
    const char **names;
    unsigned n;

    names = choose(ctx, any, true, all ? 0 : CMD_STANDARD, &n);
    if (o->minimal) {
        out_list(o, names, n);
        return;
    }
    help_usage(o->file);
    if (all) {
        fputs("\nFull command list\n-----------------\n\n", o->file);
        print_all(ctx, o);
        return;
    }
    fputs("\nCommon command list\n-------------------\n\n", o->file);
    print_wrapped(o, names, n);
}

/* A comma-separated list with blanks after the commas, on ctx. */
static char *spaced(void *ctx, const char *list)
{
    char *text = talloc_strdup(ctx, "");

    for (; list && *list; list++)
        text = talloc_asprintf_append(text, *list == ',' ? "%c " : "%c", *list);
    return text;
}

static const struct selector {
    unsigned flag;
    const char *name;
    const char *help;
} selectors[] = {
    {CMD_VM, "<vm-selectors>",
     " The VMs are chosen by vm=NAME-OR-UUID or by values of their parameters, as in vm-list; all when "
     "nothing is "
     "given. More than one needs --multiple."},
    {CMD_HOST, "<host-selectors>",
     " The hosts are chosen by host=NAME-OR-UUID or by values of their parameters, as in host-list; all when "
     "nothing "
     "is given. More than one needs --multiple."},
    {CMD_SR, "<sr-selectors>",
     " The SRs are chosen by sr=NAME-OR-UUID or by values of their parameters, as in sr-list; all when "
     "nothing is "
     "given. More than one needs --multiple."},
};

/* One command. */
bool help_command(void *ctx, struct out *o, const char *name)
{
    const struct command *c = command_find(ctx, name);
    CLEANUP_TABLE struct table t = {0};
    char *optional, *help;

    if (!c)
        return false;
    optional = spaced(ctx, c->optional);
    help = talloc_strdup(ctx, c->help);
    for (unsigned i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        if (!(c->flags & selectors[i].flag))
            continue;
        optional = talloc_asprintf_append(optional, "%s%s", *optional ? ", " : "", selectors[i].name);
        help = talloc_strdup_append(help, selectors[i].help);
    }
    table_row(&t, "command name", c->name);
    table_row(&t, "reqd params", spaced(ctx, c->required));
    table_row(&t, "optional params", optional);
    table_row(&t, "description", help);
    table_end_record(&t);
    out_table(o, &t);
    return true;
}
