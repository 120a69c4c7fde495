#include "xe/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/failure.h"

#define API_VERSION "2.21"
#define MAX_PARAMS 24

/* An error without an answer of the server is one of contact. */
static void mark_contact(struct err *e, int contact_errno)
{
    CLEANUP_ERR struct err old = {0};

    if (contact_errno == 0)
        return;
    err_move(&old, e);
    err_set(e, FAIL_CONTACT, 1, old.n_params > 0 ? old.params[0] : strerror(contact_errno));
}

/* For those who look for the cause of a failure. */
static void note_call(struct xe *x, const char *method, unsigned n)
{
    if (x->options->debug)
        fprintf(stderr, "calling %s with %u parameters\n", method, n);
    else if (x->options->debug_on_fail)
        buf_printf(&x->trace, "calling %s with %u parameters\n", method, n);
}

/* Call method with these parameters and nothing before them. */
static const struct wire *co_call_wire(struct xe *x, struct err *e, const char *method,
                                       const struct wire *params, unsigned n)
{
    struct wire *ret = talloc_zero(x->ctx, struct wire);
    int contact_errno = 0;

    if (!ret)
        mem_abort();
    note_call(x, method, n);
    if (co_rpc_call(x->rpc, x->ctx, method, params, n, ret, &contact_errno, e) < 0) {
        mark_contact(e, contact_errno);
        return NULL;
    }
    return ret;
}

/* The parameters that fmt names, after the session. */
static unsigned collect_params(struct xe *x, struct wire *params, const char *fmt, va_list ap)
{
    unsigned n = 0;

    params[n++] = wire_string(x->session);
    for (; *fmt; fmt++) {
        if (n == MAX_PARAMS)
            abort();
        switch (*fmt) {
        case 's':
            params[n++] = wire_string(va_arg(ap, const char *));
            break;
        case 'i':
            params[n++] = wire_int(va_arg(ap, int64_t));
            break;
        case 'b':
            params[n++] = wire_bool(va_arg(ap, int));
            break;
        case 'f':
            params[n++] = wire_double(va_arg(ap, double));
            break;
        case 'w':
            params[n++] = *va_arg(ap, const struct wire *);
            break;
        default:
            abort();
        }
    }
    return n;
}

/* Call method with the session and the parameters that fmt names. */
const struct wire *co_call(struct xe *x, struct err *e, const char *method, const char *fmt, ...)
{
    struct wire params[MAX_PARAMS];
    va_list ap;
    unsigned n;

    va_start(ap, fmt);
    n = collect_params(x, params, fmt, ap);
    va_end(ap);
    return co_call_wire(x, e, method, params, n);
}

/* The same with parameters that are values already. */
const struct wire *co_call_params(struct xe *x, struct err *e, const char *method, const struct wire *params,
                                  unsigned n)
{
    struct wire all[MAX_PARAMS];

    if (n >= MAX_PARAMS)
        abort();
    all[0] = wire_string(x->session);
    for (unsigned i = 0; i < n; i++)
        all[i + 1] = params[i];
    return co_call_wire(x, e, method, all, n + 1);
}

/* The same when the answer is a text. */
const char *co_call_text(struct xe *x, struct err *e, const char *method, const char *fmt, ...)
{
    struct wire params[MAX_PARAMS];
    const struct wire *w;
    va_list ap;
    unsigned n;

    va_start(ap, fmt);
    n = collect_params(x, params, fmt, ap);
    va_end(ap);
    w = co_call_wire(x, e, method, params, n);
    return w ? wire_text(x, w) : NULL;
}

/* The same when only success matters. */
int co_call_void(struct xe *x, struct err *e, const char *method, const char *fmt, ...)
{
    struct wire params[MAX_PARAMS];
    va_list ap;
    unsigned n;

    va_start(ap, fmt);
    n = collect_params(x, params, fmt, ap);
    va_end(ap);
    return co_call_wire(x, e, method, params, n) ? 0 : -1;
}

/* Turn a refused login into what the user must read. */
static int login_failed(struct err *e)
{
    if (err_is(e, "SESSION_AUTHENTICATION_FAILED")) {
        err_clear(e);
        return err_set(e, FAIL_LOGIN, 0);
    }
    return -1;
}

/* Connect and log in. */
int co_login(struct xe *x, bool local, struct err *e)
{
    const struct xe_options *o = x->options;
    const struct wire params[] = {wire_string(o->user), wire_string(o->password), wire_string(API_VERSION),
                                  wire_string("cli")};
    const struct wire *w;

    if (*o->user == '\0')
        return err_set(e, FAIL_NO_USER, 0);
    w = local ? co_call_wire(x, e, "session.slave_local_login_with_password", params, 2)
              : co_call_wire(x, e, "session.login_with_password", params, 4);
    if (!w)
        return login_failed(e);
    x->session = wire_text(x, w);
    x->local_session = local;
    return 0;
}

/* End the session. */
void co_logout(struct xe *x)
{
    CLEANUP_ERR struct err e = {0};

    if (x->session)
        co_call(x, &e, x->local_session ? "session.local_logout" : "session.logout", "");
    x->session = NULL;
}

static const char *co_call_class(struct xe *x, struct err *e, const char *cls, const char *verb,
                                 const char *text)
{
    const char *method = talloc_asprintf(x->ctx, "%s.%s", cls, verb);

    return co_call_text(x, e, method, "s", text);
}

/* The reference of the object of class with this uuid, or NULL. */
const char *co_by_uuid(struct xe *x, const char *cls, const char *uuid, struct err *e)
{
    return co_call_class(x, e, cls, "get_by_uuid", uuid);
}

/* The reference that the argument key names by uuid. */
const char *co_arg_ref(struct xe *x, const char *key, const char *cls, struct err *e)
{
    const char *uuid = args_get(x->args, key);

    if (!uuid) {
        err_set(e, FAIL_REQUIRED, 1, key);
        return NULL;
    }
    return co_by_uuid(x, cls, uuid, e);
}

/* The same, but REF_NONE when the argument is absent. */
int co_arg_ref_or_none(struct xe *x, const char *key, const char *cls, const char **ret, struct err *e)
{
    const char *ref = REF_NONE;

    if (args_get(x->args, key) && !(ref = co_arg_ref(x, key, cls, e)))
        return -1;
    *ret = ref;
    return 0;
}

/* The uuid of an object, or NULL. */
const char *co_uuid_of(struct xe *x, const char *cls, const char *ref, struct err *e)
{
    return co_call_class(x, e, cls, "get_uuid", ref);
}

/* Print the uuid of an object as a command's result. */
int co_print_uuid(struct xe *x, const char *cls, const char *ref, struct err *e)
{
    const char *uuid = ref ? co_uuid_of(x, cls, ref, e) : NULL;

    if (!uuid)
        return -1;
    out_item(&x->out, uuid);
    return 0;
}

/* One field of an object. */
const char *co_field(struct xe *x, const char *cls, const char *field, const char *ref, struct err *e)
{
    return co_call_class(x, e, cls, talloc_asprintf(x->ctx, "get_%s", field), ref);
}

/* The reference of the pool, or NULL. */
const char *co_pool(struct xe *x, struct err *e)
{
    const struct wire *all = co_call(x, e, "pool.get_all", "");

    if (!all)
        return NULL;
    if (all->kind != WIRE_ARRAY || all->n == 0) {
        fail_text(e, "The server knows no pool");
        return NULL;
    }
    return wire_text(x, &all->items[0]);
}

static struct wire *new_wire(struct xe *x, enum wire_kind kind)
{
    struct wire *w = talloc_zero(x->ctx, struct wire);

    if (!w)
        mem_abort();
    w->kind = kind;
    return w;
}

/* Add a member; the caller sees to it that the name is new. */
void wire_add_member(struct xe *x, struct wire *to, const char *name, struct wire value)
{
    to->members = talloc_realloc(x->ctx, to->members, struct wire_member, to->n + 1);
    if (!to->members)
        mem_abort();
    to->members[to->n].name = name;
    to->members[to->n++].value = value;
}

/* A struct of text members. */
struct wire *wire_text_map(struct xe *x, const struct arg *members, unsigned n)
{
    struct wire *map = new_wire(x, WIRE_STRUCT);

    for (unsigned i = 0; i < n; i++)
        if (!wire_member(map, members[i].key))
            wire_add_member(x, map, members[i].key, wire_string(members[i].value));
    return map;
}

/* A struct of the map argument name. */
struct wire *wire_arg_map(struct xe *x, const char *name)
{
    unsigned n;
    struct arg *members = args_get_map(x->ctx, x->args, name, &n);

    return wire_text_map(x, members, n);
}

/* A set of texts. */
struct wire *wire_text_set(struct xe *x, const char *const *items, unsigned n)
{
    struct wire *set = new_wire(x, WIRE_ARRAY);

    set->items = talloc_zero_array(x->ctx, struct wire, n + 1);
    if (!set->items)
        mem_abort();
    for (unsigned i = 0; i < n; i++)
        set->items[i] = wire_string(items[i]);
    set->n = n;
    return set;
}

struct wire *wire_empty_struct(struct xe *x)
{
    return new_wire(x, WIRE_STRUCT);
}

struct wire *wire_empty_array(struct xe *x)
{
    return new_wire(x, WIRE_ARRAY);
}

/* A scalar as text. */
const char *wire_text(struct xe *x, const struct wire *w)
{
    if (!w)
        return "";
    switch (w->kind) {
    case WIRE_STRING:
        return w->s;
    case WIRE_INT:
        return talloc_asprintf(x->ctx, "%" PRId64, w->i);
    case WIRE_DOUBLE:
        return talloc_asprintf(x->ctx, "%.3f", w->f);
    case WIRE_BOOL:
        return w->i ? "true" : "false";
    default:
        return "";
    }
}

/* Member name of a struct as text. */
const char *member_text(struct xe *x, const struct wire *record, const char *name)
{
    return wire_text(x, wire_member(record, name));
}

bool wire_is_true(const struct wire *w)
{
    return w && w->kind == WIRE_BOOL && w->i;
}

bool member_bool(const struct wire *record, const char *name)
{
    return wire_is_true(wire_member(record, name));
}

/* The value of key in a struct of text, or NULL. */
const char *wire_lookup(const struct wire *map, const char *key)
{
    return map && map->kind == WIRE_STRUCT ? wire_member_string(map, key) : NULL;
}

bool ref_is_none(const char *ref)
{
    return *ref == '\0' || strcmp(ref, REF_NONE) == 0;
}
