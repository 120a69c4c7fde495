#include "xe/command.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/cmd/verbs.h"
#include "xe/plain.h"
#include "xe/record.h"

#define VERB(name) &cmd_##name,
static const struct command *const verbs[] = {
#include "xe/cmd/verbs.def"
};
#undef VERB

/* What -list and its kin do. */
static const struct class_verb {
    const char *suffix;
    command_fn *run;
    const char *required;
    const char *optional; /* NULL: made from the parameters */
    const char *help;     /* %s: the class */
    bool (*exists)(const struct rec_class *c);
    bool (*names)(const struct rec_param *p); /* the parameters it can be used on */
} class_verbs[] = {
    {"list", co_class_list, NULL, NULL, "Show every object of the class %s for which all given values hold.",
     NULL, NULL},
    {"param-list", co_class_param_list, "uuid",
     "database:", "Show all parameters of one object of the class %s.", NULL, NULL},
    {"param-get", co_class_param_get, "uuid,param-name", "param-key,database:",
     "Print one parameter of an object of the class %s, or one key of a map.", NULL, NULL},
    {"param-set", co_class_param_set, "uuid", NULL,
     "Give parameters of an object of the class %s new values.", rec_class_can_set, NULL},
    {"param-add", co_class_param_add, "uuid,param-name", "param-key",
     "Add a member to a set, or KEY=VALUE to a map, of an object of the class %s.", rec_class_can_add,
     rec_param_can_add},
    {"param-remove", co_class_param_remove, "uuid,param-name,param-key", NULL,
     "Take a member out of a set, or a key out of a map, of an object of the class %s.", rec_class_can_add,
     rec_param_can_add},
    {"param-clear", co_class_param_clear, "uuid,param-name", NULL,
     "Empty one parameter of an object of the class %s.", rec_class_can_clear, rec_param_can_clear},
};
#define CLASS_VERBS (sizeof(class_verbs) / sizeof(class_verbs[0]))

/* Append one name to a comma-separated list. */
static char *join(char *list, const char *name, const char *after)
{
    return talloc_asprintf_append(list, "%s%s%s", *list ? "," : "", name, after);
}

/* The optional parameters of -list: all parameters, and what sets contain. */
static char *list_params(void *ctx, const struct rec_class *c)
{
    char *list = talloc_strdup(ctx, "params,database:");

    for (unsigned i = 0; i < c->n_params; i++)
        if (!(c->params[i].flags & REC_HIDDEN))
            list = join(list, c->params[i].name, "");
    for (unsigned i = 0; i < c->n_params; i++)
        if ((c->params[i].flags & (REC_HIDDEN | REC_SET)) == REC_SET)
            list = join(list, c->params[i].name, ":contains");
    return list;
}

/* The optional parameters of -param-set: what can be set, then the maps. */
static char *set_params(void *ctx, const struct rec_class *c)
{
    char *list = talloc_strdup(ctx, "");

    for (unsigned i = 0; i < c->n_params; i++)
        if (!(c->params[i].flags & REC_HIDDEN) && c->params[i].set)
            list = join(list, c->params[i].name, "");
    for (unsigned i = 0; i < c->n_params; i++)
        if (!(c->params[i].flags & REC_HIDDEN) && !c->params[i].set && rec_param_can_set(&c->params[i]))
            list = join(list, c->params[i].name, ":");
    return list;
}

static char *class_help(void *ctx, const struct rec_class *c, const struct class_verb *v)
{
    const char *mark = strstr(v->help, "%s");
    char *help = talloc_asprintf(ctx, "%.*s%s%s", (int)(mark - v->help), v->help, c->name, mark + 2);
    char *names = talloc_strdup(ctx, "");

    if (!v->names)
        return help;
    for (unsigned i = 0; i < c->n_params; i++)
        if (!(c->params[i].flags & REC_HIDDEN) && v->names(&c->params[i]))
            names = join(names, c->params[i].name, "");
    return talloc_asprintf_append(help, " For param-name: %s.", names);
}

static const struct command *class_command(void *ctx, const struct rec_class *c, const struct class_verb *v)
{
    struct command *command = talloc_zero(ctx, struct command);

    if (!command)
        mem_abort();
    command->name = talloc_asprintf(command, "%s-%s", c->name, v->suffix);
    command->required = v->required;
    command->optional = v->optional;
    if (v->run == co_class_list)
        command->optional = list_params(command, c);
    if (v->run == co_class_param_set)
        command->optional = set_params(command, c);
    command->help = class_help(command, c, v);
    command->flags = v->run == co_class_list && c->standard ? CMD_STANDARD : 0;
    command->run = v->run;
    command->cls = c;
    return command;
}

static const struct command *find_class_command(void *ctx, const char *name)
{
    for (unsigned i = 0; i < rec_class_count; i++) {
        const struct rec_class *c = &rec_classes[i];
        size_t n = strlen(c->name);

        for (unsigned j = 0; strncmp(name, c->name, n) == 0 && name[n] == '-' && j < CLASS_VERBS; j++)
            if (strcmp(name + n + 1, class_verbs[j].suffix) == 0 &&
                (!class_verbs[j].exists || class_verbs[j].exists(c)))
                return class_command(ctx, c, &class_verbs[j]);
    }
    return NULL;
}

/* The command of this name, on ctx; NULL when unknown. */
const struct command *command_find(void *ctx, const char *name)
{
    for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    for (unsigned i = 0; i < plain_command_count; i++)
        if (strcmp(plain_commands[i].name, name) == 0)
            return &plain_commands[i];
    return find_class_command(ctx, name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct command *const *)a)->name, (*(const struct command *const *)b)->name);
}

/* Every command, sorted by name. */
const struct command **command_all(void *ctx)
{
    unsigned n = 0, n_verbs = sizeof(verbs) / sizeof(verbs[0]);
    unsigned most = n_verbs + plain_command_count + rec_class_count * CLASS_VERBS;
    const struct command **all = talloc_zero_array(ctx, const struct command *, most + 1);

    if (!all)
        mem_abort();
    while (n < n_verbs) {
        all[n] = verbs[n];
        n++;
    }
    for (unsigned i = 0; i < plain_command_count; i++)
        all[n++] = &plain_commands[i];
    for (unsigned i = 0; i < rec_class_count; i++)
        for (unsigned j = 0; j < CLASS_VERBS; j++)
            if (!class_verbs[j].exists || class_verbs[j].exists(&rec_classes[i]))
                all[n++] = class_command(all, &rec_classes[i], &class_verbs[j]);
    qsort(all, n, sizeof(all[0]), compare_names);
    return all;
}

/* True for a command of the reference that xe lacks. */
bool command_is_gap(const char *name)
{
    for (const char *const *gap = xe_gaps; *gap; gap++)
        if (strcmp(*gap, name) == 0)
            return true;
    return false;
}
