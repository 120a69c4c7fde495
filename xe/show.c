#include "xe/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "model/value.h"
#include "xe/cache.h"
#include "xe/failure.h"

/* Add an item to a set or map. */
void shown_add(struct xe *x, struct shown *s, const char *key, const char *item)
{
    s->items = talloc_realloc(x->ctx, s->items, const char *, s->n + 1);
    s->keys = talloc_realloc(x->ctx, s->keys, const char *, s->n + 1);
    if (!s->items || !s->keys)
        mem_abort();
    s->keys[s->n] = key;
    s->items[s->n++] = item;
}

/* Make it one text. */
void shown_one(struct xe *x, struct shown *s, const char *text)
{
    s->shape = SHOWN_ONE;
    s->n = 0;
    shown_add(x, s, NULL, text);
}

/* The item under key of a map, or NULL. */
const char *shown_lookup(const struct shown *s, const char *key)
{
    for (uint32_t i = 0; s->shape == SHOWN_MAP && i < s->n; i++)
        if (strcmp(s->keys[i], key) == 0)
            return s->items[i];
    return NULL;
}

/* Whether a set has an item. */
bool shown_has(const struct shown *s, const char *item)
{
    for (uint32_t i = 0; s->shape == SHOWN_SET && i < s->n; i++)
        if (strcmp(s->items[i], item) == 0)
            return true;
    return false;
}

/* The value as one text. */
const char *shown_text(struct xe *x, const struct shown *s)
{
    CLEANUP_BUF struct buf text = {0};

    if (s->shape == SHOWN_ONE)
        return s->n > 0 ? s->items[0] : "";
    for (uint32_t i = 0; i < s->n; i++) {
        if (i > 0)
            buf_add_str(&text, s->join ? s->join : "; ");
        if (s->shape == SHOWN_MAP)
            buf_printf(&text, "%s: ", s->keys[i]);
        buf_add_str(&text, s->items[i]);
    }
    return talloc_strdup(x->ctx, buf_cstr(&text));
}

static const char *show_date(struct xe *x, const char *text)
{
    char normal[DATETIME_TEXT_SIZE];
    int64_t seconds;

    if (!datetime_parse(text, &seconds))
        return text;
    datetime_format(seconds, normal);
    return talloc_strdup(x->ctx, normal);
}

static const char *show_scalar(struct xe *x, const struct rec_param *p, const struct wire *v)
{
    const char *text = wire_text(x, v);

    if (p->kind == REC_DATE)
        return show_date(x, text);
    if (p->kind == REC_FLOAT && v && v->kind != WIRE_DOUBLE)
        return talloc_asprintf(x->ctx, "%.3f", strtod(text, NULL));
    return text;
}

/* The end of a path: whatever the server sent. */
static void show_leaf(struct xe *x, const struct rec_param *p, const struct wire *v, const char *key,
                      struct shown *s)
{
    if (v && v->kind == WIRE_ARRAY) {
        s->shape = SHOWN_SET;
        for (uint32_t i = 0; i < v->n; i++)
            shown_add(x, s, key, rec_word_to_shell(p->words, show_scalar(x, p, &v->items[i])));
    } else if (v && v->kind == WIRE_STRUCT && (p->flags & REC_VALUES)) {
        s->shape = SHOWN_SET;
        for (uint32_t i = 0; i < v->n; i++)
            shown_add(x, s, NULL, rec_word_to_shell(p->words, show_scalar(x, p, &v->members[i].value)));
    } else if (v && v->kind == WIRE_STRUCT) {
        s->shape = SHOWN_MAP;
        for (uint32_t i = 0; i < v->n; i++)
            shown_add(x, s, rec_word_to_shell(p->words, v->members[i].name),
                      show_scalar(x, p, &v->members[i].value));
    } else {
        const char *text = v ? show_scalar(x, p, v) : p->missing ? p->missing : NOT_IN_DATABASE;

        shown_add(x, s, key, rec_word_to_shell(p->words, text));
    }
}

static void co_walk(struct xe *x, const struct rec_param *p, const struct rec_step *step, const char *cls,
                    const struct wire *v, const char *key, struct shown *s);

/* Follow one reference to an object of class, whose field step names. */
static void co_walk_ref(struct xe *x, const struct rec_param *p, const struct rec_step *step, const char *cls,
                        const char *ref, const char *key, struct shown *s)
{
    const struct wire *fields = ref_is_none(ref) ? NULL : co_cache_get(x, cls, ref);

    if (!fields)
        shown_add(x, s, key, p->missing ? p->missing : NOT_IN_DATABASE);
    else
        co_walk(x, p, step + 1, step->cls, wire_member(fields, step->field), key, s);
}

/* v is the value reached so far; step the rest of the path in the class its references lead to. */
static void co_walk(struct xe *x, const struct rec_param *p, const struct rec_step *step, const char *cls,
                    const struct wire *v, const char *key, struct shown *s)
{
    if (!cls || !v) {
        show_leaf(x, p, v, key, s);
    } else if (v->kind == WIRE_ARRAY) {
        s->shape = SHOWN_SET;
        for (uint32_t i = 0; i < v->n; i++)
            co_walk_ref(x, p, step, cls, wire_text(x, &v->items[i]), key, s);
    } else if (v->kind == WIRE_STRUCT) {
        s->shape = SHOWN_MAP;
        for (uint32_t i = 0; i < v->n; i++)
            co_walk_ref(x, p, step, cls, wire_text(x, &v->members[i].value), v->members[i].name, s);
    } else {
        co_walk_ref(x, p, step, cls, wire_text(x, v), key, s);
    }
}

/* What is shown for a value that the server refused to tell; lost contact stays an error. */
static int show_refusal(struct xe *x, struct shown *ret, struct err *refusal, struct err *e)
{
    if (err_is(refusal, FAIL_CONTACT)) {
        err_move(e, refusal);
        return -1;
    }
    shown_one(x, ret, err_is(refusal, "HANDLE_INVALID") ? INVALID_REFERENCE : UNKNOWN);
    return 0;
}

static int co_show_call(struct xe *x, const struct record *r, const struct rec_param *p, struct shown *ret,
                        struct err *e)
{
    CLEANUP_ERR struct err refusal = {0};
    const struct wire *v =
        p->call_self ? co_call(x, &refusal, p->call, "s", r->ref) : co_call(x, &refusal, p->call, "");

    if (!v)
        return show_refusal(x, ret, &refusal, e);
    co_walk(x, p, p->path, p->call_class, v, NULL, ret);
    return 0;
}

/* One value when all hosts have the same. */
static void co_show_of_hosts(struct xe *x, const struct rec_param *p, struct shown *ret)
{
    const struct wire *hosts = co_cache_all(x, "host");
    const char *common = NULL;

    for (uint32_t i = 0; hosts && i < hosts->n; i++) {
        const char *text = show_scalar(x, p, wire_member(&hosts->members[i].value, p->path->field));

        if (common && strcmp(common, text) != 0) {
            shown_one(x, ret, "<inconsistent>");
            return;
        }
        common = text;
    }
    shown_one(x, ret, common ? common : NOT_IN_DATABASE);
}

/* The value of parameter p of r. */
int co_show(struct xe *x, const struct record *r, const struct rec_param *p, struct shown *ret, struct err *e)
{
    *ret = (struct shown){.join = p->join};
    if (p->show) {
        CLEANUP_ERR struct err refusal = {0};

        return p->show(x, r, ret, &refusal) < 0 ? show_refusal(x, ret, &refusal, e) : 0;
    }
    if (p->call)
        return co_show_call(x, r, p, ret, e);
    if (p->of_hosts)
        co_show_of_hosts(x, p, ret);
    else
        co_walk(x, p, p->path + 1, p->path->cls, wire_member(r->fields, p->path->field), NULL, ret);
    return 0;
}

/* co_show and shown_text in one. */
const char *co_show_text(struct xe *x, const struct record *r, const struct rec_param *p, struct err *e)
{
    struct shown s;

    return co_show(x, r, p, &s, e) < 0 ? NULL : shown_text(x, &s);
}
