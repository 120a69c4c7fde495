#include "xe/plain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "xe/cmd/common.h"
#include "xe/failure.h"
#include "xe/file.h"
#include "xe/select.h"
#include "xe/task.h"

#define MAX_CALL_ARGS 16

/* ---- from an argument to a value ---- */

static int co_take_ref(struct xe *x, const struct plain_arg *a, const char *text, struct wire *ret,
                       struct err *e)
{
    const char *ref = REF_NONE;

    if (strcmp(text, "@pool") == 0)
        ref = co_pool(x, e);
    else if (strcmp(text, "@host") == 0)
        ref = co_call_text(x, e, "session.get_this_host", "s", x->session);
    else if (*text)
        ref = co_by_uuid(x, a->cls, text, e);
    if (!ref)
        return -1;
    *ret = wire_string(ref);
    return 0;
}

static int co_take_set(struct xe *x, const struct plain_arg *a, const char *text, struct wire *ret,
                       struct err *e)
{
    unsigned n;
    const char **items = text_split(x->ctx, text, ',', &n);

    for (unsigned i = 0; a->kind == PLAIN_REFS && i < n; i++)
        if (!(items[i] = co_by_uuid(x, a->cls, items[i], e)))
            return -1;
    *ret = *wire_text_set(x, items, n);
    return 0;
}

/* The same word, whatever its case and whether its parts are joined by "-" or "_". */
static bool same_word(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b) &&
            !(strchr("-_", *a) && strchr("-_", *b)))
            return false;
    return *a == *b;
}

static int take_enum(struct xe *x, const struct plain_arg *a, const char *text, struct wire *ret,
                     struct err *e)
{
    char *known = talloc_strdup(x->ctx, "");

    for (const char *const *word = a->words; *word; word++) {
        if (same_word(*word, text)) {
            *ret = wire_string(*word);
            return 0;
        }
        known = talloc_asprintf_append(known, "%s%s", *known ? ", " : "", *word);
    }
    return fail_text(e, "'%s' is no value for %s; it is one of %s", text, a->name, known);
}

static int take_number(const struct plain_arg *a, const char *text, struct wire *ret, struct err *e)
{
    int64_t number = 0;
    bool truth = false;
    char *end;

    if (a->kind == PLAIN_BOOL && text_to_bool(text, &truth)) {
        *ret = wire_bool(truth);
        return 0;
    }
    if ((a->kind == PLAIN_INT && text_to_int(text, &number)) ||
        (a->kind == PLAIN_SIZE && text_to_size(text, &number))) {
        *ret = wire_int(number);
        return 0;
    }
    if (a->kind == PLAIN_FLOAT) {
        *ret = wire_double(strtod(text, &end));
        if (end != text && *end == '\0')
            return 0;
    }
    return fail_text(e, "'%s' is not a %s for %s", text,
                     a->kind == PLAIN_BOOL   ? "truth value"
                     : a->kind == PLAIN_SIZE ? "size"
                                             : "number",
                     a->name);
}

/* The members of a map; a key that ends with ":file" names a file. */
static int take_file_map(struct xe *x, const char *name, struct wire *ret, struct err *e)
{
    static const char suffix[] = ":file";
    unsigned n;
    struct arg *members = args_get_map(x->ctx, x->args, name, &n);

    for (unsigned i = 0; i < n; i++) {
        size_t length = strlen(members[i].key), end = length - (sizeof(suffix) - 1);

        if (length < sizeof(suffix) || strcmp(members[i].key + end, suffix) != 0)
            continue;
        members[i].key = talloc_strndup(x->ctx, members[i].key, end);
        if (!(members[i].value = file_read_text(x->ctx, members[i].value, e)))
            return -1;
    }
    *ret = *wire_text_map(x, members, n);
    return 0;
}

static int take_file(struct xe *x, const char *path, struct wire *ret, struct err *e)
{
    const char *text = *path ? file_read_text(x->ctx, path, e) : "";

    if (!text)
        return -1;
    *ret = wire_string(text);
    return 0;
}

/* A map of the arguments among names that are given. */
static struct wire take_keys(struct xe *x, const char *names)
{
    struct wire *map = wire_empty_struct(x);
    unsigned n;
    const char **name = text_split(x->ctx, names, ',', &n);

    for (unsigned i = 0; i < n; i++)
        if (args_get(x->args, name[i]))
            wire_add_member(x, map, name[i], wire_string(args_get(x->args, name[i])));
    return *map;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The value of one parameter; selected is the reference of the chosen object. */
static int co_take(struct xe *x, const struct plain_arg *a, const char *selected, struct wire *ret,
                   struct err *e)
{
    const char *text = a->name ? args_get_or(x->args, a->name, a->otherwise) : a->otherwise;

    switch (a->kind) {
    case PLAIN_TEXT:
        *ret = wire_string(text);
        return 0;
    case PLAIN_BASENAME:
        *ret = wire_string(last_part(text));
        return 0;
    case PLAIN_SELECTED:
        *ret = wire_string(selected);
        return 0;
    case PLAIN_MAP:
        *ret = a->name ? *wire_arg_map(x, a->name) : *wire_empty_struct(x);
        return 0;
    case PLAIN_FILE_MAP:
        return take_file_map(x, a->name, ret, e);
    case PLAIN_KEYS:
        *ret = take_keys(x, a->name);
        return 0;
    case PLAIN_FILE:
        return take_file(x, text, ret, e);
    case PLAIN_ENUM:
        return take_enum(x, a, text, ret, e);
    case PLAIN_REF:
        return co_take_ref(x, a, text, ret, e);
    case PLAIN_REFS:
    case PLAIN_SET:
        return co_take_set(x, a, text, ret, e);
    default:
        return take_number(a, text, ret, e);
    }
}

/* All parameters, on x->ctx; those that are fields become one record. */
static int co_take_all(struct xe *x, const struct plain *p, const char *selected, struct wire *params,
                       unsigned *ret_n, struct err *e)
{
    struct wire *record = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < p->n_args; i++) {
        struct wire value;

        if (co_take(x, &p->args[i], selected, &value, e) < 0)
            return -1;
        if (!p->args[i].field) {
            params[n++] = value;
            continue;
        }
        if (!record)
            record = wire_empty_struct(x);
        wire_add_member(x, record, p->args[i].field, value);
    }
    if (record)
        params[n++] = *record;
    *ret_n = n;
    return 0;
}

/* ---- from a result to what is printed ---- */

/* The texts of a set, or the one text. */
static const char **texts_of(struct xe *x, const struct wire *w, unsigned *ret_n)
{
    unsigned n = w->kind == WIRE_ARRAY ? w->n : 1;
    const char **texts = talloc_zero_array(x->ctx, const char *, n + 1);

    for (unsigned i = 0; i < n; i++)
        texts[i] = wire_text(x, w->kind == WIRE_ARRAY ? &w->items[i] : w);
    *ret_n = n;
    return texts;
}

static void print_table(struct xe *x, const struct wire *map)
{
    CLEANUP_TABLE struct table t = {0};

    if (map->kind != WIRE_STRUCT)
        return;
    for (uint32_t i = 0; i < map->n; i++)
        table_row(&t, map->members[i].name, wire_text(x, &map->members[i].value));
    table_end_record(&t);
    out_table(&x->out, &t);
}

/* Print a result; a single line goes to *ret_item when there are several objects to collect it of. */
static int co_print(struct xe *x, const struct plain *p, const struct wire *result, const char **ret_item,
                    struct err *e)
{
    unsigned n;
    const char **texts = texts_of(x, result, &n);

    for (unsigned i = 0; p->print == PLAIN_PRINT_UUIDS && i < n; i++)
        if (!(texts[i] = co_uuid_of(x, p->prints_class, texts[i], e)))
            return -1;
    switch (p->print) {
    case PLAIN_PRINT_NOTHING:
        break;
    case PLAIN_PRINT_NOTE:
        out_text(&x->out, texts[0]);
        break;
    case PLAIN_PRINT_BYTES:
        out_direct(&x->out, "%s", texts[0]);
        break;
    case PLAIN_PRINT_TABLE:
        print_table(x, result);
        break;
    default:
        if (ret_item && n == 1)
            *ret_item = texts[0];
        else if (n > 0)
            out_list(&x->out, texts, n);
    }
    return 0;
}

static const char *pick_method(struct xe *x, const struct plain *p, struct err *e)
{
    bool force;

    if (args_get_bool(x->args, "force", false, &force, e) < 0)
        return NULL;
    return p->forced_method && force ? p->forced_method : p->method;
}

/* The result of the call, awaited when it is asynchronous. */
static const struct wire *co_do_call(struct xe *x, const struct plain *p, const struct wire *params,
                                     unsigned n, struct err *e)
{
    const char *method = pick_method(x, p, e), *text;
    const struct wire *result;
    struct wire *awaited;

    if (!method)
        return NULL;
    if (p->async)
        method = talloc_asprintf(x->ctx, "Async.%s", method);
    result = co_call_params(x, e, method, params, n);
    if (!result || !p->async)
        return result;
    if (!(text = co_task_wait(x, wire_text(x, result), e)))
        return NULL;
    awaited = talloc_zero(x->ctx, struct wire);
    *awaited = wire_string(text);
    return awaited;
}

static int co_plain_for(struct xe *x, const char *selected, const char **ret_item, struct err *e)
{
    const struct plain *p = x->command->plain;
    struct wire params[MAX_CALL_ARGS];
    const struct wire *result;
    unsigned n;

    if (p->n_args > MAX_CALL_ARGS)
        abort();
    if (co_take_all(x, p, selected, params, &n, e) < 0 || !(result = co_do_call(x, p, params, n, e)))
        return -1;
    if (p->then && !(result = co_call(x, e, p->then, "w", result)))
        return -1;
    return co_print(x, p, result, ret_item, e);
}

static int co_plain_one(struct xe *x, const struct record *r, const char **ret_item, struct err *e)
{
    return co_plain_for(x, r->ref, ret_item, e);
}

/* Run x->command->plain. */
int co_plain(struct xe *x, struct err *e)
{
    const struct plain *p = x->command->plain;
    unsigned flags = x->command->flags;

    if (p->must_force && require_force(x, p->must_force, e) < 0)
        return -1;
    if (flags & CMD_VM)
        return co_for_vms(x, p->select, co_plain_one, e);
    if (flags & CMD_HOST)
        return co_for_hosts(x, p->select, co_plain_one, e);
    if (flags & CMD_SR)
        return co_for_srs(x, p->select, co_plain_one, e);
    return co_plain_for(x, NULL, NULL, e);
}
