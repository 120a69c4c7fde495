#include "xe/select.h"

#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/command.h"
#include "xe/failure.h"
#include "xe/message.h"
#include "xe/report.h"

/* What differs between the selectors of VMs, hosts and SRs. */
struct selector {
    const char *cls;             /* of the record tables */
    const char *by_name;         /* vm= */
    const char *const *by_field; /* fields that by_name compares; NULL-terminated */
    const char *found_none;
};

static const char *const name_fields[] = {"uuid", "name_label", NULL};
static const char *const host_fields[] = {"uuid", "hostname", "name_label", NULL};

static const struct selector select_vm = {"vm", "vm", name_fields, "No matching VMs found"};
static const struct selector select_host = {"host", "host", host_fields, "No matching hosts found"};
static const struct selector select_sr = {"sr", "sr", name_fields, "No matching hosts found"};

/* True when key is one of the comma-separated names, or part of one that ends with a colon. */
static bool in_list(const char *key, const char *list)
{
    while (list && *list) {
        size_t n = strcspn(list, ",");

        if (strlen(key) == n && strncmp(key, list, n) == 0)
            return true;
        if (n > 0 && list[n - 1] == ':' && strncmp(key, list, n - 1) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* True when the argument chooses objects, rather than saying something to the command. */
static bool is_selector(struct xe *x, const char *key)
{
    return !args_is_common(key) && !in_list(key, x->command->required) &&
           !in_list(key, x->command->optional) && strcmp(key, "progress") != 0 && strcmp(key, "params") != 0;
}

static bool matches_name(struct xe *x, const struct record *r, const char *const *fields, const char *wanted)
{
    for (; *fields; fields++)
        if (strcmp(member_text(x, r->fields, *fields), wanted) == 0)
            return true;
    return false;
}

static void filter_by_name(struct xe *x, struct records *rs, const struct selector *s, const char *wanted)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < rs->n; i++)
        if (matches_name(x, &rs->r[i], s->by_field, wanted))
            rs->r[kept++] = rs->r[i];
    rs->n = kept;
}

/* The expression for the server: where, narrowed by vm=, uuid= or name-label= when that is safe to quote. */
static const char *narrow(struct xe *x, const struct selector *s, const char *where)
{
    static const char *const plain[][2] = {{"uuid", "uuid"}, {"name-label", "name_label"}};
    const char *wanted = args_get(x->args, s->by_name);

    if (wanted && !strpbrk(wanted, "\"\\'")) {
        char *any = talloc_strdup(x->ctx, "");

        for (const char *const *f = s->by_field; *f; f++)
            any = talloc_asprintf_append(any, "%sfield \"%s\" = \"%s\"", *any ? " or " : "", *f, wanted);
        where = talloc_asprintf(x->ctx, "(%s) and (%s)", where, any);
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *value = is_selector(x, plain[i][0]) ? args_get(x->args, plain[i][0]) : NULL;

        if (value && !strpbrk(value, "\"\\'"))
            where = talloc_asprintf(x->ctx, "(%s) and (field \"%s\" = \"%s\")", where, plain[i][1], value);
    }
    return where;
}

/* Refuse arguments that are no parameters of the class. */
static int check_selectors(struct xe *x, const struct rec_class *c, const struct selector *s, struct err *e)
{
    for (unsigned i = 0; i < x->args->n; i++) {
        const char *key = x->args->arg[i].key;

        if (is_selector(x, key) && strcmp(key, s->by_name) != 0 && !filter_is_known(c, key))
            return fail_text(e, "'%s' is not a field of the %s class, nor an argument of %s", key, c->api,
                             x->command->name);
    }
    return 0;
}

static int check_count(struct xe *x, const struct selector *s, unsigned flags, unsigned n, struct err *e)
{
    bool multiple;

    if (args_get_bool(x->args, "multiple", false, &multiple, e) < 0)
        return -1;
    if (n == 0)
        return fail_text(e, "%s", s->found_none);
    if (n == 1 || (flags & SELECT_ANY_NUMBER))
        return 0;
    if (flags & SELECT_ONE)
        return fail_text(e, "%u objects match, and %s works on one at a time", n, x->command->name);
    if (!multiple)
        return fail_text(e, "%u objects match; give --multiple to work on all of them", n);
    return 0;
}

static int co_select(struct xe *x, const struct selector *s, const char *where, unsigned flags,
                     struct records *ret, struct err *e)
{
    const struct rec_class *c = rec_class_by_name(s->cls);
    const char *wanted = args_get(x->args, s->by_name);

    if (check_selectors(x, c, s, e) < 0 || co_fetch(x, c, narrow(x, s, where), ret, e) < 0)
        return -1;
    if (wanted)
        filter_by_name(x, ret, s, wanted);
    for (unsigned i = 0; i < x->args->n; i++) {
        const struct arg *a = &x->args->arg[i];

        if (is_selector(x, a->key) && strcmp(a->key, s->by_name) != 0 &&
            co_filter(x, ret, a->key, a->value, e) < 0)
            return -1;
    }
    return check_count(x, s, flags, ret->n, e);
}

/* The VMs that the arguments choose. */
int co_select_vms(struct xe *x, unsigned flags, struct records *ret, struct err *e)
{
    const char *where = "true";

    if (!(flags & SELECT_TEMPLATES) && !(flags & SELECT_CONTROL_DOMAINS))
        where = "field \"is_a_template\" = \"false\" and field \"is_control_domain\" = \"false\"";
    else if (!(flags & SELECT_TEMPLATES))
        where = "field \"is_a_template\" = \"false\"";
    else if (!(flags & SELECT_CONTROL_DOMAINS))
        where = "field \"is_control_domain\" = \"false\"";
    return co_select(x, &select_vm, where, flags, ret, e);
}

/* The hosts that the arguments choose. */
int co_select_hosts(struct xe *x, unsigned flags, struct records *ret, struct err *e)
{
    return co_select(x, &select_host, "true", flags, ret, e);
}

/* The SRs that the arguments choose. */
int co_select_srs(struct xe *x, unsigned flags, struct records *ret, struct err *e)
{
    return co_select(x, &select_sr, "true", flags, ret, e);
}

/* Texts collected first to last, to be shown last to first. */
struct lines {
    unsigned n;
    const char **line;
};

static void add_line(struct xe *x, struct lines *l, const char *line)
{
    l->line = talloc_realloc(x->ctx, l->line, const char *, l->n + 1);
    if (!l->line)
        mem_abort();
    l->line[l->n++] = line;
}

static void print_reversed(struct xe *x, const struct lines *l)
{
    const char **reversed = talloc_zero_array(x->ctx, const char *, l->n + 1);

    for (unsigned i = 0; i < l->n; i++)
        reversed[i] = l->line[l->n - 1 - i];
    if (l->n > 0)
        out_list(&x->out, reversed, l->n);
}

/* Do fn to every record; since is the server's time before it, for messages (NULL: none are shown). */
static int co_for_each(struct xe *x, const struct records *rs, select_fn *fn, const char *since,
                       struct err *e)
{
    struct lines results = {0}, failures = {0};

    for (unsigned i = 0; i < rs->n; i++) {
        CLEANUP_ERR struct err failure = {0};
        const char *item = NULL;
        const char *uuid = member_text(x, rs->r[i].fields, "uuid");

        if (fn(x, &rs->r[i], &item, &failure) < 0 && rs->n == 1) {
            err_move(e, &failure);
            return -1;
        }
        if (err_is_set(&failure))
            add_line(x, &failures,
                     talloc_asprintf(x->ctx, "operation failed on %s: %s", uuid, report_line(x, &failure)));
        else if (item)
            add_line(x, &results, item);
        if (since)
            co_print_messages(x, uuid, since);
    }
    print_reversed(x, &results);
    print_reversed(x, &failures);
    return failures.n > 0 ? fail_exit(e, 1) : 0;
}

/* Do fn to each selected VM. */
int co_for_vms(struct xe *x, unsigned flags, select_fn *fn, struct err *e)
{
    struct records rs;

    if (co_select_vms(x, flags, &rs, e) < 0)
        return -1;
    return co_for_each(x, &rs, fn, co_server_time(x), e);
}

/* Do fn to each selected host. */
int co_for_hosts(struct xe *x, unsigned flags, select_fn *fn, struct err *e)
{
    struct records rs;

    return co_select_hosts(x, flags, &rs, e) < 0 ? -1 : co_for_each(x, &rs, fn, NULL, e);
}

/* Do fn to each selected SR. */
int co_for_srs(struct xe *x, unsigned flags, select_fn *fn, struct err *e)
{
    struct records rs;

    return co_select_srs(x, flags, &rs, e) < 0 ? -1 : co_for_each(x, &rs, fn, NULL, e);
}
