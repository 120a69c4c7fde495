/* CLASS-param-set, -param-add, -param-remove and -param-clear. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "model/model.h"
#include "xe/command.h"
#include "xe/failure.h"
#include "xe/fetch.h"

/* The enum whose values the parameter's field holds, or NULL. */
static const struct model_enum *enum_of(const struct rec_class *c, const struct rec_param *p)
{
    const struct model_class *m = model_class_by_name(c->api);
    const struct model_field *f = m && p->path ? model_field_by_name(m, p->path->field) : NULL;
    const struct model_type *t = f ? f->type : NULL;

    if (t && (t->kind == KIND_SET || t->kind == KIND_MAP))
        t = t->kind == KIND_MAP ? t->key : t->elem;
    return t && t->kind == KIND_ENUM ? t->enums : NULL;
}

/* The API's spelling of an enum value given in any case or in xe's words. */
static const char *enum_to_wire(const struct rec_class *c, const struct rec_param *p, const char *text)
{
    const struct model_enum *en = enum_of(c, p);

    text = rec_word_to_wire(p->words, text);
    for (unsigned i = 0; en && i < en->n; i++)
        if (strcasecmp(en->values[i], text) == 0)
            return en->values[i];
    return text;
}

/* What the user typed for a parameter (or one member of it), as the API takes it. */
static int co_to_wire(struct xe *x, const struct rec_class *c, const struct rec_param *p, const char *text,
                      struct wire *ret, struct err *e)
{
    const char *ref;
    char *end;
    int64_t i;

    if (p->set_class) {
        ref = *text ? co_by_uuid(x, p->set_class, text, e) : REF_NONE;
        if (!ref)
            return -1;
        *ret = wire_string(ref);
        return 0;
    }
    switch (p->kind) {
    case REC_INT:
        if (!text_to_int(text, &i))
            return fail_text(e, "Failed to parse parameter '%s': expecting an integer", p->name);
        *ret = wire_string(text);
        return 0;
    case REC_FLOAT:
        *ret = wire_double(strtod(text, &end));
        return *text && !*end ? 0
                              : fail_text(e, "Failed to parse parameter '%s': expecting a number", p->name);
    case REC_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return fail_text(e, "Failed to parse parameter '%s': expecting a boolean (true or false)",
                             p->name);
        *ret = wire_bool(*text == 't');
        return 0;
    default:
        *ret = wire_string(enum_to_wire(c, p, text));
        return 0;
    }
}

/* A comma-separated text as the set that the API takes, or NULL. */
static struct wire *co_to_set(struct xe *x, const struct rec_class *c, const struct rec_param *p,
                              const char *text, struct err *e)
{
    unsigned n;
    const char **items = text_split(x->ctx, text, ',', &n);
    struct wire *set = wire_text_set(x, items, n);

    for (unsigned i = 0; i < n; i++)
        if (co_to_wire(x, c, p, items[i], &set->items[i], e) < 0)
            return NULL;
    return set;
}

/* True when the API's value is a set, so that commas separate. */
static bool takes_set(const struct rec_class *c, const struct rec_param *p)
{
    const struct model_class *m = model_class_by_name(c->api);
    const struct model_field *f = m && p->path ? model_field_by_name(m, p->path->field) : NULL;

    return (p->flags & REC_SET) || (f && f->type->kind == KIND_SET);
}

static int co_set_whole(struct xe *x, const struct record *r, const struct rec_param *p, const char *text,
                        struct err *e)
{
    struct wire value, *set;

    if (!p->set && (p->flags & REC_MAP))
        return fail_text(e, "Parameter '%s' is a map: give one key of it as %s:KEY=VALUE", p->name, p->name);
    if (!p->set && (p->flags & REC_SET))
        return fail_text(e, "Parameter '%s' is a set: use the commands -param-add and -param-remove",
                         p->name);
    if (!p->set)
        return fail_text(e, "Parameter '%s' is read-only", p->name);
    if (takes_set(r->cls, p)) {
        set = co_to_set(x, r->cls, p, text, e);
        return set ? co_call_void(x, e, p->set, "sw", r->ref, set) : -1;
    }
    if (co_to_wire(x, r->cls, p, text, &value, e) < 0)
        return -1;
    return co_call_void(x, e, p->set, "sw", r->ref, &value);
}

/* The keys given for a map whose setter takes all of it. */
static int co_set_map(struct xe *x, const struct record *r, const struct rec_param *p, struct err *e)
{
    return co_call_void(x, e, p->set_map, "sw", r->ref, wire_arg_map(x, p->name));
}

static int co_set_key(struct xe *x, const struct record *r, const struct rec_param *p, const char *key,
                      const char *value, struct err *e)
{
    const char *wire_key = enum_to_wire(r->cls, p, key);

    if (p->set_key)
        return co_call_void(x, e, p->set_key, "sss", r->ref, wire_key, value);
    if (p->set_map)
        return co_set_map(x, r, p, e);
    if (!p->add)
        return fail_text(e, "Parameter '%s' is read-only", p->name);
    if (co_call_void(x, e, p->remove, "ss", r->ref, wire_key) < 0)
        return -1;
    return co_call_void(x, e, p->add, "sss", r->ref, wire_key, value);
}

/* True when an earlier argument has set the map already, all keys at once. */
static bool map_is_done(const struct args *a, unsigned until, const struct rec_param *p)
{
    for (unsigned i = 0; i < until; i++)
        if (args_in_map(a->arg[i].key, p->name))
            return true;
    return false;
}

int co_class_param_set(struct xe *x, struct err *e)
{
    const struct rec_class *c = x->command->cls;
    struct record r;

    if (co_fetch_uuid(x, c, args_get(x->args, "uuid"), &r, e) < 0)
        return -1;
    for (unsigned i = 0; i < x->args->n; i++) {
        const struct arg *a = &x->args->arg[i];
        const struct rec_param *p = rec_param_by_name(c, a->key), *map;

        if (args_is_common(a->key) || strcmp(a->key, "uuid") == 0)
            continue;
        map = p ? NULL : rec_param_by_part(c, a->key, REC_MAP);
        if (!p && !map)
            return err_set(e, FAIL_PARAM, 1, a->key);
        if (p && co_set_whole(x, &r, p, a->value, e) < 0)
            return -1;
        if (map && !(map->set_map && map_is_done(x->args, i, map)) &&
            co_set_key(x, &r, map, a->key + strlen(map->name) + 1, a->value, e) < 0)
            return -1;
    }
    return 0;
}

/* Fetch the object named by uuid= and find the parameter named by param-name=. */
static int co_object_and_param(struct xe *x, struct record *ret, const struct rec_param **ret_param,
                               struct err *e)
{
    const char *name = args_get(x->args, "param-name");

    if (co_fetch_uuid(x, x->command->cls, args_get(x->args, "uuid"), ret, e) < 0)
        return -1;
    *ret_param = rec_param_by_name(x->command->cls, name);
    return *ret_param ? 0 : err_set(e, FAIL_PARAM, 1, name);
}

/* The set or map of r as the server has it, with room to change it. */
static struct wire *copy_whole(struct xe *x, const struct record *r, const struct rec_param *p)
{
    const struct wire *now = wire_member(r->fields, p->path->field);
    struct wire *copy = p->flags & REC_MAP ? wire_empty_struct(x) : wire_empty_array(x);

    if (!now || now->kind != copy->kind)
        return copy;
    copy->items = talloc_zero_array(x->ctx, struct wire, now->n + 1);
    for (uint32_t i = 0; i < now->n; i++) {
        if (p->flags & REC_MAP)
            wire_add_member(x, copy, now->members[i].name, now->members[i].value);
        else
            copy->items[copy->n++] = now->items[i];
    }
    return copy;
}

static int co_store_whole(struct xe *x, const struct record *r, const struct rec_param *p,
                          const struct wire *whole, struct err *e)
{
    return co_call_void(x, e, p->flags & REC_MAP ? p->set_map : p->set, "sw", r->ref, whole);
}

static int co_add_to_set(struct xe *x, const struct record *r, const struct rec_param *p, const char *item,
                         struct err *e)
{
    struct wire value, *whole;

    if (co_to_wire(x, r->cls, p, item, &value, e) < 0)
        return -1;
    if (!(p->flags & REC_REWRITE))
        return co_call_void(x, e, p->add, "sw", r->ref, &value);
    whole = copy_whole(x, r, p);
    whole->items[whole->n++] = value;
    return co_store_whole(x, r, p, whole, e);
}

static int co_add_to_map(struct xe *x, const struct record *r, const struct rec_param *p,
                         const struct arg *pairs, unsigned n, struct err *e)
{
    struct wire *whole = p->flags & REC_REWRITE ? copy_whole(x, r, p) : NULL;

    for (unsigned i = 0; i < n; i++) {
        const char *key = enum_to_wire(r->cls, p, pairs[i].key);

        if (whole && !wire_member(whole, key))
            wire_add_member(x, whole, key, wire_string(pairs[i].value));
        else if (whole)
            return fail_text(e, "Key %s is already in the map %s", key, p->name);
        else if (co_call_void(x, e, p->add, "sss", r->ref, key, pairs[i].value) < 0)
            return -1;
    }
    return whole ? co_store_whole(x, r, p, whole, e) : 0;
}

/* The arguments that are keys and values for a map. */
static struct arg *map_pairs(struct xe *x, unsigned *ret_n)
{
    struct arg *pairs = talloc_zero_array(x->ctx, struct arg, x->args->n + 1);
    unsigned n = 0;

    for (unsigned i = 0; i < x->args->n; i++) {
        const char *key = x->args->arg[i].key;

        if (!args_is_common(key) && strcmp(key, "uuid") != 0 && strcmp(key, "param-name") != 0 &&
            strcmp(key, "param-key") != 0)
            pairs[n++] = x->args->arg[i];
    }
    *ret_n = n;
    return pairs;
}

int co_class_param_add(struct xe *x, struct err *e)
{
    const char *item = args_get(x->args, "param-key");
    const struct rec_param *p;
    struct record r;
    struct arg *pairs;
    unsigned n;

    if (co_object_and_param(x, &r, &p, e) < 0)
        return -1;
    if (!p->add)
        return fail_text(e, "Nothing can be added to parameter '%s'", p->name);
    if (p->flags & REC_SET)
        return item ? co_add_to_set(x, &r, p, item, e) : err_set(e, FAIL_REQUIRED, 1, "param-key");
    pairs = map_pairs(x, &n);
    return co_add_to_map(x, &r, p, pairs, n, e);
}

/* Take the members out of a set for which keep is not item (NULL: all of them), or keys of a map. */
static int co_rewrite_without(struct xe *x, const struct record *r, const struct rec_param *p,
                              const char *item, struct err *e)
{
    struct wire *whole = copy_whole(x, r, p), *rest;

    rest = p->flags & REC_MAP ? wire_empty_struct(x) : wire_empty_array(x);
    rest->items = whole->items;
    for (uint32_t i = 0; i < whole->n; i++) {
        if (p->flags & REC_MAP) {
            if (strcmp(whole->members[i].name, item) != 0)
                wire_add_member(x, rest, whole->members[i].name, whole->members[i].value);
        } else if (strcmp(wire_text(x, &whole->items[i]), item) != 0) {
            rest->items[rest->n++] = whole->items[i];
        }
    }
    return co_store_whole(x, r, p, rest, e);
}

static int co_remove_member(struct xe *x, const struct record *r, const struct rec_param *p, const char *item,
                            struct err *e)
{
    struct wire value;

    if (p->flags & REC_MAP)
        value = wire_string(enum_to_wire(r->cls, p, item));
    else if (co_to_wire(x, r->cls, p, item, &value, e) < 0)
        return -1;
    if (p->flags & REC_REWRITE)
        return co_rewrite_without(x, r, p, wire_text(x, &value), e);
    return co_call_void(x, e, p->remove, "sw", r->ref, &value);
}

int co_class_param_remove(struct xe *x, struct err *e)
{
    const char *item = args_get(x->args, "param-key");
    const struct rec_param *p;
    struct record r;
    struct shown s;

    if (co_object_and_param(x, &r, &p, e) < 0)
        return -1;
    if (!p->remove)
        return fail_text(e, "Nothing can be removed from parameter '%s'", p->name);
    if (co_show(x, &r, p, &s, e) < 0)
        return -1;
    if ((p->flags & REC_MAP) && !shown_lookup(&s, item))
        return fail_text(e, "Key %s not found in map", item);
    if ((p->flags & REC_SET) && !shown_has(&s, item))
        return fail_text(e, "Value %s not found in set", item);
    return co_remove_member(x, &r, p, item, e);
}

/* Empty a set or a map. */
static int co_clear_members(struct xe *x, const struct record *r, const struct rec_param *p, struct err *e)
{
    struct shown s;

    if (p->clear || p->set_map)
        return co_call_void(x, e, p->clear ? p->clear : p->set_map, "sw", r->ref, wire_empty_struct(x));
    if (p->set && !p->remove)
        return co_call_void(x, e, p->set, "sw", r->ref, wire_empty_array(x));
    if (!p->remove)
        return fail_text(e, "Parameter '%s' is read-only", p->name);
    if (p->flags & REC_REWRITE)
        return co_store_whole(x, r, p, wire_empty_array(x), e);
    if (co_show(x, r, p, &s, e) < 0)
        return -1;
    for (uint32_t i = 0; i < s.n; i++)
        if (co_remove_member(x, r, p, p->flags & REC_MAP ? s.keys[i] : s.items[i], e) < 0)
            return -1;
    return 0;
}

int co_class_param_clear(struct xe *x, struct err *e)
{
    const struct rec_param *p;
    struct record r;

    if (co_object_and_param(x, &r, &p, e) < 0)
        return -1;
    if (p->flags & (REC_SET | REC_MAP))
        return co_clear_members(x, &r, p, e);
    if (!p->set)
        return fail_text(e, "Parameter '%s' is read-only", p->name);
    if (p->kind != REC_TEXT)
        return fail_text(e, "Parameter '%s' cannot be empty", p->name);
    return co_set_whole(x, &r, p, "", e);
}
