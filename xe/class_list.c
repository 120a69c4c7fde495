/* CLASS-list, CLASS-param-list and CLASS-param-get. */
#include <string.h>
#include <talloc.h>
#include "xe/command.h"
#include "xe/failure.h"
#include "xe/list.h"

/* Run fn with the session of a database that database:vdi-uuid= or database:filename= names, or the ordinary
 * one. */
static int co_in_database(struct xe *x, command_fn *fn, struct err *e)
{
    const char *vdi = args_get(x->args, "database:vdi-uuid"), *file = args_get(x->args, "database:filename");
    const char *ordinary = x->session, *other = NULL, *ref;
    int ret;

    if (!vdi && !file)
        return fn(x, e);
    if (vdi)
        other =
            (ref = co_by_uuid(x, "VDI", vdi, e)) ? co_call_text(x, e, "VDI.open_database", "s", ref) : NULL;
    else
        other = co_call_text(x, e, "session.create_from_db_file", "s", file);
    if (!other)
        return -1;
    x->session = other;
    ret = fn(x, e);
    co_logout(x);
    x->session = ordinary;
    return ret;
}

static bool name_in(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* Whether params= (NULL: the default list) asks for p. */
static bool is_chosen(const struct rec_class *c, const struct rec_param *p, const char *const *params)
{
    if (!params)
        return name_in(p->name, c->defaults);
    if (params[0] && !params[1] && strcmp(params[0], "all") == 0)
        return !(p->flags & REC_HIDDEN);
    return name_in(p->name, params);
}

/* Print records, each with the parameters that params chooses; expensive ones only when wanted. */
int co_print_records(struct xe *x, const struct records *rs, const char *const *params, bool expensive,
                     struct err *e)
{
    CLEANUP_TABLE struct table t = {0};

    for (unsigned i = 0; i < rs->n; i++) {
        const struct record *r = &rs->r[i];

        for (unsigned j = 0; j < r->cls->n_params; j++) {
            const struct rec_param *p = &r->cls->params[j];
            const char *text = EXPENSIVE;

            if (!is_chosen(r->cls, p, params))
                continue;
            if ((expensive || !(p->flags & REC_EXPENSIVE)) && !(text = co_show_text(x, r, p, e)))
                return -1;
            table_row(&t, p->label, text);
        }
        table_end_record(&t);
    }
    out_table(&x->out, &t);
    return 0;
}

/* The pieces of an argument as a NULL-terminated list, or otherwise when it is absent. */
const char *const *arg_names(struct xe *x, const char *key, const char *const *otherwise)
{
    const char *text = args_get(x->args, key);
    unsigned n;

    return text ? text_split(x->ctx, text, ',', &n) : otherwise;
}

static bool is_filter(const char *key)
{
    return !args_is_common(key) && strcmp(key, "params") != 0 && !args_in_map(key, "database");
}

/* An expression for the server that already applies the first filter where that is safe: a uuid or a name. */
static const char *narrow(struct xe *x, const struct rec_class *c)
{
    for (unsigned i = 0; i < x->args->n; i++) {
        const struct arg *a = &x->args->arg[i];
        const struct rec_param *p = is_filter(a->key) ? rec_param_by_name(c, a->key) : NULL;

        if (!is_filter(a->key))
            continue;
        if (!p || !p->path || strpbrk(a->value, "\"\\'") ||
            (strcmp(p->path->field, "uuid") != 0 && strcmp(p->path->field, "name_label") != 0))
            return c->where;
        if (strcmp(c->where, "true") == 0)
            return talloc_asprintf(x->ctx, "field \"%s\" = \"%s\"", p->path->field, a->value);
        return talloc_asprintf(x->ctx, "(%s) and (field \"%s\" = \"%s\")", c->where, p->path->field,
                               a->value);
    }
    return c->where;
}

static int co_list(struct xe *x, struct err *e)
{
    const struct rec_class *c = x->command->cls;
    bool all = args_get(x->args, "all") != NULL;
    struct records rs;

    if (co_fetch(x, c, all ? c->where : narrow(x, c), &rs, e) < 0)
        return -1;
    for (unsigned i = 0; i < x->args->n && !all; i++) {
        const struct arg *a = &x->args->arg[i];

        if (is_filter(a->key) && co_filter(x, &rs, a->key, a->value, e) < 0)
            return -1;
    }
    return co_print_records(x, &rs, arg_names(x, "params", NULL), false, e);
}

int co_class_list(struct xe *x, struct err *e)
{
    return co_in_database(x, co_list, e);
}

static const char *const all_params[] = {"all", NULL};

static int co_param_list(struct xe *x, struct err *e)
{
    struct record r;

    if (co_fetch_uuid(x, x->command->cls, args_get(x->args, "uuid"), &r, e) < 0)
        return -1;
    return co_print_records(x, &(struct records){1, &r}, all_params, true, e);
}

int co_class_param_list(struct xe *x, struct err *e)
{
    return co_in_database(x, co_param_list, e);
}

static int co_param_get(struct xe *x, struct err *e)
{
    const char *name = args_get(x->args, "param-name"), *key = args_get(x->args, "param-key"), *text;
    const struct rec_param *p = rec_param_by_name(x->command->cls, name);
    struct record r;
    struct shown s;

    if (co_fetch_uuid(x, x->command->cls, args_get(x->args, "uuid"), &r, e) < 0)
        return -1;
    if (!p)
        return err_set(e, FAIL_PARAM, 1, name);
    if (co_show(x, &r, p, &s, e) < 0)
        return -1;
    text = key && (p->flags & REC_MAP) ? shown_lookup(&s, key) : shown_text(x, &s);
    if (!text)
        return fail_text(e, "Key %s not found in map", key);
    out_item(&x->out, text);
    return 0;
}

int co_class_param_get(struct xe *x, struct err *e)
{
    return co_in_database(x, co_param_get, e);
}
