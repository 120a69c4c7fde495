#ifndef XE_CLIENT_H
#define XE_CLIENT_H
/*
 * One run of xe: the connection, the session, what was asked and where the answer goes; and calls of the API
 * made short. Everything that calls hand out lives on x->ctx until the run ends. For one fiber.
 */
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "rpc/client.h"
#include "rpc/wire.h"
#include "xe/args.h"
#include "xe/options.h"
#include "xe/out.h"

#define REF_NONE "OpaqueRef:NULL"

struct cache;
struct command;
struct xe {
    void *ctx;
    const struct xe_options *options;
    const struct args *args;
    const struct command *command;
    struct out out;
    struct rpc_client *rpc;
    const char *session;
    bool local_session;
    struct cache *cache; /* xe/cache.h */
    struct buf trace;    /* the calls so far, for --debug-on-fail */
};

/* Connect and log in; local: on this host alone, as members without a coordinator allow. Errors:
 * FAIL_CONTACT, FAIL_LOGIN, FAIL_NO_USER, those of the server. */
int co_login(struct xe *x, bool local, struct err *e);

/* End the session, if there is one; never fails. */
void co_logout(struct xe *x);

/* Call method with the session and the parameters that fmt names, one letter each:
 *   s const char *   i int64_t   b bool   f double   w const struct wire *
 * NULL on error. Errors: FAIL_CONTACT and those of the server. */
const struct wire *co_call(struct xe *x, struct err *e, const char *method, const char *fmt, ...);

/* The same with n parameters (at most 20) that are values already. */
const struct wire *co_call_params(struct xe *x, struct err *e, const char *method, const struct wire *params,
                                  unsigned n);

/* The same when the answer, a text, is wanted: a reference, a uuid, a number. */
const char *co_call_text(struct xe *x, struct err *e, const char *method, const char *fmt, ...);

/* The same when only success matters. */
int co_call_void(struct xe *x, struct err *e, const char *method, const char *fmt, ...);

/* The reference of the object of class with this uuid, or NULL. */
const char *co_by_uuid(struct xe *x, const char *cls, const char *uuid, struct err *e);

/* The reference that the argument key names by uuid, or NULL. The key must be there. */
const char *co_arg_ref(struct xe *x, const char *key, const char *cls, struct err *e);

/* The same, but *ret is REF_NONE when the argument is absent. */
int co_arg_ref_or_none(struct xe *x, const char *key, const char *cls, const char **ret, struct err *e);

/* The uuid of an object, or NULL. */
const char *co_uuid_of(struct xe *x, const char *cls, const char *ref, struct err *e);

/* Print the uuid of an object of class as a command's result. */
int co_print_uuid(struct xe *x, const char *cls, const char *ref, struct err *e);

/* One field of an object: CLASS.get_FIELD. NULL on error. */
const char *co_field(struct xe *x, const char *cls, const char *field, const char *ref, struct err *e);

/* The reference of the pool, or NULL. */
const char *co_pool(struct xe *x, struct err *e);

/* ---- values that callers build; on x->ctx ---- */

/* A struct of text members; the first of two equal names counts. */
struct wire *wire_text_map(struct xe *x, const struct arg *members, unsigned n);
/* A struct of the map argument name. */
struct wire *wire_arg_map(struct xe *x, const char *name);
struct wire *wire_text_set(struct xe *x, const char *const *items, unsigned n);
struct wire *wire_empty_struct(struct xe *x);
struct wire *wire_empty_array(struct xe *x);
void wire_add_member(struct xe *x, struct wire *to, const char *name, struct wire value);

/* ---- reading what came ---- */

/* A scalar as text; "" when it is none or absent. On x->ctx. */
const char *wire_text(struct xe *x, const struct wire *w);
/* Member name of a struct as text. */
const char *member_text(struct xe *x, const struct wire *record, const char *name);
bool member_bool(const struct wire *record, const char *name);
bool wire_is_true(const struct wire *w);
/* The value of key in a struct of text, or NULL. */
const char *wire_lookup(const struct wire *map, const char *key);

bool ref_is_none(const char *ref);

#endif
